"""A click becomes a banner on a page, each service and command under its own principal, with the listed rights only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from bannerstream.broker import dead_letters
from bannerstream.broker.erasure import find_remaining, request_erasure, wait_until_erased
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.topics import changelog_name, create_topics, internal_topics
from bannerstream.catalog.folder import read_catalogue
from bannerstream.catalog.loader import load
from bannerstream.contracts.keys import user_key
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.service.child_process import ChildProcess
from bannerstream.storage import S3BannerStore
from bannerstream.streams.experiments.results import read_results
from tests.support.main_job import now_ms, write_catalogue
from tests.support.secured_kafka import Deployment, Login
from tests.support.token_endpoint import TokenEndpoint
from tests.support.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(480), pytest.mark.pairs("embedded"), pytest.mark.servers("s3")]

SERVICES: dict[str, Login] = {
    "streams": "password",
    "experiments": "token",
    "generator": "token",
    "edge": "certificate",
    "purger": "certificate",
}
MUG = "mug-stoneware-terracotta"


class Shop:
    """The running services, and what a shop does with them."""

    def __init__(self, deployment: Deployment, more: dict[str, Any], processes: dict[str, ChildProcess]) -> None:
        self.deployment = deployment
        self.more = more
        self.processes = processes
        self.settings = deployment.settings("shop", **more)
        self.pages = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{more['edge']['port']}", timeout=60)
        self._tokens = VisitorTokens(self.settings)

    def headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.mint(user)}"}

    async def ready(self) -> bool:
        self.check()
        try:
            return (await self.pages.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def check(self) -> None:
        """Fail with the log of a service that has ended."""
        for process in self.processes.values():
            assert process.poll() is None, process.log_tail(100)

    async def epoch(self, user: str) -> int:
        """Return the epoch of the visitor's banner; 0 for the shop's default."""
        self.check()
        answer = await self.pages.get("/v1/banner", headers=self.headers(user))
        return int(answer.json()["epoch"])


@pytest.fixture
async def shop(deployment: Deployment, endpoint: TokenEndpoint, fresh_name: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """Every service, with repartitioning and an experiment, so that every listed right is needed.

    Tokens last for a part of the test: the broker closes the connections of who logged in with one, again and again.
    """
    endpoint.life_s = 20
    more: dict[str, Any] = {
        "streams": {"repartition": True},
        "edge": {"port": free_port()},
        "experiments": {"variants": ["a", "b"]},
        "cdn": {
            "kind": "nginx",
            "nodes": [f"http://{LOOPBACK}:1"],
            "purge_token": "0123456789abcdef" * 4,
            "group_id": f"{fresh_name}-purger",
            "metrics_port": 0,
        },
    }
    await deployment.grant(*SERVICES, "operator", "shop", "catalog-load")
    operator = deployment.settings("operator", **more)
    await create_topics(
        operator.kafka, changelog=changelog_name(operator.streams.app_id), **_repartitioned(operator.streams)
    )
    with closing(S3BannerStore(operator.storage)) as store:
        store.ensure_bucket()
    catalogue = read_catalogue(write_catalogue(tmp_path / "catalogue"))
    await load(catalogue, deployment.settings("catalog-load", **more))
    # The changelog of the tallies is made by the experiments worker, which has the right to.
    processes = {"experiments": deployment.run("experiments", SERVICES["experiments"], **more)}
    try:
        await until(lambda: "folding" in processes["experiments"].log_tail(50), processes["experiments"].log_tail)
        for name, login in SERVICES.items():
            if name not in processes:
                processes[name] = deployment.run(name, login, **more)
        running = Shop(deployment, more, processes)
        async with running.pages:
            await until(running.ready, lambda: processes["edge"].log_tail(50))
            yield running
    finally:
        for process in processes.values():
            await asyncio.to_thread(process.stop)


def _repartitioned(streams: Any) -> dict[str, str | None]:
    return {"repartitioned": internal_topics(streams)["repartitioned"]}


async def test_a_click_becomes_a_banner_with_the_listed_rights(shop: Shop) -> None:
    click = {"type": "click", "product_id": MUG, "event_id": "e-1", "time": now_ms()}
    answer = await shop.pages.post("/v1/events", json=[click], headers=shop.headers("ada"))
    assert answer.status_code == 202, answer.text

    async def shown() -> bool:
        return await shop.epoch("ada") > 0

    await until(shown, lambda: "\n".join(process.log_tail(15) for process in shop.processes.values()))
    await until(lambda: "caught_up" in shop.processes["purger"].log_tail(50), shop.processes["purger"].log_tail)

    await _erase(shop, "ada")
    await _replay(shop)
    await shop.deployment.grant("report")
    assert isinstance(await read_results(shop.deployment.settings("report", **shop.more)), dict)
    shop.check()


async def _erase(shop: Shop, user: str) -> None:
    await shop.deployment.grant("erase")
    settings = shop.deployment.settings("erase", **shop.more)
    key = user_key(user, settings.privacy.user_key_secret.get_secret_value().encode())
    app_id = settings.streams.app_id
    requested = await request_erasure(settings.kafka, user, key, now_ms())
    await wait_until_erased(settings.kafka, app_id, requested, 90, lambda _: None)
    remaining = await find_remaining(settings.kafka, app_id, key, lambda *_: None)
    assert [status.erased for status in remaining] == [True, True]


async def _replay(shop: Shop) -> None:
    topic = shop.settings.kafka.topic_table().clicks.name
    async with Publisher(shop.settings.kafka) as publisher:
        await publisher.publish_all([Outgoing(topic, b"ada", b"no event", [])])
    await shop.deployment.grant("dlq-replay")
    kafka = shop.deployment.settings("dlq-replay", **shop.more).kafka

    async def refused() -> bool:
        async with aclosing(dead_letters.read(kafka, code="malformed")) as letters:
            return any([letter.letter.value == b"no event" async for letter in letters])

    await until(refused)
    async with Publisher(kafka) as publisher:
        assert (await dead_letters.replay(kafka, publisher, code="malformed")).replayed == 1
