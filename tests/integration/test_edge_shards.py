"""Two sharded edge nodes behind nginx, with the configuration of deploy/edge/, behave like one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bannerstream.devservers.nginx import nginx_shards
from bannerstream.devservers.ports import LOOPBACK
from bannerstream.devservers.reverse_proxy import ReverseProxy
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.edge_process import EdgeProcess, Events, Writer, writer
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.timeout(180), pytest.mark.real, pytest.mark.pairs("embedded")]

USERS = [f"visitor-{number}" for number in range(8)]


@dataclass
class Shop:
    """A page's HTTP client to the load balancer, and the nodes behind it."""

    page: httpx.AsyncClient
    nodes: list[EdgeProcess]
    streams: Writer

    def headers(self, user: str) -> dict[str, str]:
        return self.nodes[0].headers(user)

    def shard_of(self, user: str) -> int:
        """Return the number of the node that has a visitor."""
        return int(self.streams.key(user)[0], 16) // 8

    @asynccontextmanager
    async def live(self, user: str) -> AsyncIterator[Events]:
        async with self.page.stream("GET", "/v1/stream", headers=self.headers(user)) as response:
            assert response.status_code == 200
            yield Events(response)

    async def misdirected(self) -> float:
        return sum([await node.metric("bannerstream_edge_refused_total", reason="misdirected") for node in self.nodes])


@pytest.fixture
async def shop(settings: Settings, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Shop]:
    """Start both nodes and the load balancer; every visitor has a banner."""
    async with writer(settings) as streams:
        await streams.announce("a")
        for user in USERS:
            await streams.assign(user, 1, "a")
        async with (
            EdgeProcess(settings, environment, tmp_path / "0.log", shard="0/2", trusted_proxies=[LOOPBACK]) as first,
            EdgeProcess(settings, environment, tmp_path / "1.log", shard="1/2", trusted_proxies=[LOOPBACK]) as second,
        ):
            balancer: ReverseProxy = nginx_shards(tmp_path, *(f"{LOOPBACK}:{each.port}" for each in (first, second)))
            if (reason := balancer.why_unavailable()) is not None:
                pytest.skip(reason)
            with balancer:
                async with httpx.AsyncClient(base_url=balancer.url, timeout=PATIENCE_S) as page:
                    yield Shop(page, [first, second], streams)


async def test_nobody_notices_that_two_nodes_share_the_visitors(shop: Shop, settings: Settings) -> None:
    """One test for all of this, because starting the processes takes longest."""
    assert {shop.shard_of(user) for user in USERS} == {0, 1}
    await every_request_reaches_the_node_that_has_the_visitor(shop)
    await reports_of_pages_are_accepted_through_either_node(shop)
    await live_streams_come_from_both_nodes(shop)
    await pictures_and_errors_pass_through(shop, settings)
    await operators_paths_are_not_published(shop)
    await while_one_node_is_down_the_visitors_of_the_other_are_served(shop)


async def every_request_reaches_the_node_that_has_the_visitor(shop: Shop) -> None:
    for user in USERS * 2:
        response = await shop.page.get("/v1/banner", headers=shop.headers(user))
        assert (response.status_code, response.json()["epoch"]) == (200, 1)
        pointer = await shop.page.get(f"/v1/pointers/{shop.streams.key(user)}")
        assert (pointer.status_code, pointer.json()["epoch"]) == (200, 1)
    assert await shop.misdirected() > 0, "some requests reached the other node first"


async def reports_of_pages_are_accepted_through_either_node(shop: Shop) -> None:
    batch = [{"type": "click", "product_id": "mug"}, {"type": "view", "product_id": "mug"}]
    for user in USERS:
        banner = (await shop.page.get("/v1/banner", headers=shop.headers(user))).json()
        sent = await shop.page.post("/v1/events", json=batch, headers=shop.headers(user))
        assert sent.status_code == 202, sent.text
        report = {"token": banner["feedback"], "kind": "impression", "size": "970x250"}
        assert (await shop.page.post("/v1/feedback", json=report)).status_code == 202
    taken = [await node.metric("bannerstream_edge_events_total") for node in shop.nodes]
    assert taken == [2 * sum(shop.shard_of(user) == number for user in USERS) for number in (0, 1)]


async def live_streams_come_from_both_nodes(shop: Shop) -> None:
    first, second = (next(user for user in USERS if shop.shard_of(user) == number) for number in (0, 1))
    async with shop.live(first) as one, shop.live(second) as other:
        for events in (one, other):
            assert (await events.next())[2]["epoch"] == 1
        await shop.streams.announce("b")
        for user, events in ((first, one), (second, other)):
            await shop.streams.assign(user, 2, "b")
            assert (await events.next())[2]["epoch"] == 2


async def pictures_and_errors_pass_through(shop: Shop, settings: Settings) -> None:
    store = S3BannerStore(settings.storage)
    store.ensure_bucket()
    name = store.put_blob(b"the picture", "image/webp").rpartition("/")[2]
    store.close()
    assert (await shop.page.get(f"/b/{name}")).content == b"the picture"
    forged = await shop.page.get("/v1/banner", headers={"Authorization": "Bearer made.up.token"})
    assert (forged.status_code, forged.json()["error"]) == (401, "token")


async def operators_paths_are_not_published(shop: Shop) -> None:
    key = shop.streams.key(USERS[0])
    for path in ("/metrics", "/docs", "/openapi.json", "/readyz", f"/v1/visitors/{key}", "/%6detrics", "//metrics"):
        assert (await shop.page.get(path)).status_code == 404, path
    for path in ("/healthz", "/banner.js", f"/v1/pointers//{key}", f"/v1/pointers/{key}?x=1"):
        assert (await shop.page.get(path)).status_code == 200, path


async def while_one_node_is_down_the_visitors_of_the_other_are_served(shop: Shop) -> None:
    assert shop.nodes[0].terminate() == 0
    for user in USERS:
        response = await shop.page.get("/v1/banner", headers=shop.headers(user))
        assert response.status_code == {0: 502, 1: 200}[shop.shard_of(user)]
