"""The whole chain as processes: Kafka, an edge node, a cache in front of it, and the cache's purger."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.topics import create_topics
from bannerstream.devservers.nginx import nginx_cache
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.reverse_proxy import ReverseProxy
from bannerstream.devservers.stack import environment_of
from bannerstream.devservers.varnish import varnish_cache
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.cdn_cache import TOKEN
from tests.support.cdn_records import ANNA, BEN, LAMP, MUG, announcement, assignment
from tests.support.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.pairs("embedded")]

CACHES = {"varnish": varnish_cache, "nginx": nginx_cache}


@dataclass
class Chain:
    """The cache that visitors reach, and a publisher in place of streams and generator."""

    settings: Settings
    publisher: Publisher
    cache: ReverseProxy
    http: aiohttp.ClientSession

    async def shown(self, user: str) -> tuple[str | None, str]:
        """Return the banner of a visitor's pointer, and whether the response came from the cache."""
        async with self.http.get(f"{self.cache.url}/v1/pointers/{user}") as response:
            assert response.status == 200
            return json.loads(await response.read())["banner_key"], response.headers["X-Cache"]

    async def shows(self, user: str, banner: str | None) -> None:
        """Wait until a visitor's pointer names this banner; without a purge it would take an hour."""

        async def does() -> bool:
            return (await self.shown(user))[0] == banner

        await until(does, f"the pointer of {user} names {banner}")

    async def write(self, topic: str, key: str, value: bytes | None) -> None:
        await self.publisher.publish_all([Outgoing(topic, key.encode(), value, [])])


@pytest.fixture(params=["varnish", "nginx"])
async def chain(
    request: pytest.FixtureRequest, settings: Settings, overrides: dict[str, dict[str, Any]], tmp_path: Path
) -> AsyncIterator[Chain]:
    """Start everything."""
    port = free_port()
    cache = CACHES[request.param](tmp_path, f"{LOOPBACK}:{port}", TOKEN)
    if (reason := cache.why_unavailable()) is not None:
        pytest.skip(reason)
    await create_topics(settings.kafka)
    store = S3BannerStore(settings.storage)
    store.ensure_bucket()
    store.close()
    more = {
        "edge": {"port": port, "pointer_max_age_s": 3600},
        "cdn": {
            "kind": request.param,
            "nodes": [cache.url],
            "purge_token": TOKEN,
            "group_id": f"{settings.streams.app_id}-purger",
            "coalesce_s": 0.1,
            "settle_s": 0.3,
            "metrics_port": 0,
        },
    }
    environment = environment_of(overrides | more)
    processes = [
        ChildProcess(
            [Path(sys.executable).with_name("bannerstream"), "run", name],
            name=name,
            log_file=tmp_path / f"{name}.log",
            environment=environment,
            folder=tmp_path,
        )
        for name in ("edge", "purger")
    ]
    try:
        await until(
            lambda: all("caught_up" in process.log_tail(50) or process.poll() is not None for process in processes)
        )
        assert [each.poll() for each in processes] == [None, None], [each.log_tail(50) for each in processes]
        cache.start()
        async with Publisher(settings.kafka) as publisher, aiohttp.ClientSession() as http:
            yield Chain(settings, publisher, cache, http)
    finally:
        for process in processes:
            await asyncio.to_thread(process.stop)
        cache.stop()


async def test_a_cached_pointer_follows_the_visitor(chain: Chain) -> None:
    table = chain.settings.kafka.topic_table()
    assert (await chain.shown(ANNA))[0] is None, "the shop's default"
    assert await chain.shown(ANNA) == (None, "HIT")
    assert (await chain.shown(BEN))[0] is None

    await chain.write(table.assignments.name, ANNA, assignment(ANNA, 1, MUG))
    await chain.write(table.ready.name, MUG, announcement(MUG))
    await chain.shows(ANNA, MUG)
    assert await chain.shown(BEN) == (None, "HIT"), "no other pointer was purged"

    await chain.write(table.ready.name, LAMP, announcement(LAMP))
    await chain.write(table.assignments.name, ANNA, assignment(ANNA, 2, LAMP))
    await chain.shows(ANNA, LAMP)
    assert await chain.shown(ANNA) == (LAMP, "HIT")

    await chain.write(table.assignments.name, ANNA, None)
    await chain.shows(ANNA, None)
