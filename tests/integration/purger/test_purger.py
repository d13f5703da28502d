"""The purger on a real broker: what it reads, what it purges, and when it commits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from bannerstream.broker import dead_letters
from bannerstream.broker.connection import client_options
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.topics import create_topics
from bannerstream.purger.factory import create_purger
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.worker import PurgeWorker
from bannerstream.settings import CdnSettings, Settings
from tests.integration.purger.published_apis import SERVICE, TOKEN, PublishedApi, fastly, served
from tests.support.cdn_records import ANNA, BEN, LAMP, MUG, announcement, assignment
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.pairs("embedded", "apache"), pytest.mark.servers("kafka")]


@dataclass
class Shop:
    """A publisher in place of streams and generator, and the CDN."""

    settings: Settings
    api: PublishedApi
    publisher: Publisher

    async def assign(self, user: str, value: bytes | None) -> None:
        await self._publish(self.settings.kafka.topic_table().assignments.name, user, value)

    async def announce(self, banner: str, value: bytes) -> None:
        await self._publish(self.settings.kafka.topic_table().ready.name, banner, value)

    async def _publish(self, topic: str, key: str, value: bytes | None) -> None:
        await self.publisher.publish_all([Outgoing(topic, key.encode(), value, [])])

    async def purged(self, *tags: str) -> None:
        """Wait until the CDN has accepted purges of all these tags."""
        await until(lambda: set(tags) <= set(self.api.dropped))

    async def committed(self) -> int:
        """Return how many offsets the group has committed, over all partitions."""
        admin = AIOKafkaAdminClient(**client_options(self.settings.kafka))
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.settings.cdn.group_id)
        finally:
            await admin.close()
        return sum(offset.offset for offset in offsets.values())

    @asynccontextmanager
    async def purger(self) -> AsyncIterator["Running"]:
        """Run a purger until the end of the block."""
        registry, stop = CollectorRegistry(), asyncio.Event()
        worker = PurgeWorker(self.settings, create_purger(self.settings.cdn), PurgerMetrics(registry))
        task = asyncio.create_task(worker.run(stop))
        try:
            yield Running(registry, task)
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await task


@dataclass
class Running:
    """A running purger."""

    registry: CollectorRegistry
    task: "asyncio.Task[None]"

    @property
    def active(self) -> bool:
        return self.registry.get_sample_value("bannerstream_cdn_active") == 1

    @property
    def waiting_since(self) -> float:
        return self.registry.get_sample_value("bannerstream_cdn_waiting_since_seconds") or 0

    async def begun(self) -> None:
        """Return once it has caught up."""
        await until(lambda: self.active or self.task.done())
        assert not self.task.done()


@pytest.fixture
async def shop(settings: Settings, fresh_name: str) -> AsyncIterator[Shop]:
    """Topics, and a CDN with Fastly's API."""
    await create_topics(settings.kafka)
    async with served(fastly()) as api, Publisher(settings.kafka) as publisher:
        cdn = CdnSettings(
            kind="fastly",
            api_url=api.url,
            api_token=TOKEN,  # type: ignore[arg-type]  # pydantic makes a secret of it
            fastly_service_id=SERVICE,
            group_id=f"{fresh_name}-purger",
            coalesce_s=0.1,
            settle_s=0.05,
            metrics_port=0,
        )
        yield Shop(settings.model_copy(update={"cdn": cdn}), api, publisher)
        assert api.problems == []


async def test_what_becomes_stale_is_dropped_once_and_what_was_there_before_is_not(shop: Shop) -> None:
    await shop.announce(MUG, announcement(MUG))
    await shop.assign(BEN, assignment(BEN, 1, MUG))  # before the first purger starts
    async with shop.purger() as purger:
        await purger.begun()
        await shop.assign(ANNA, assignment(ANNA, 1, MUG))
        await shop.purged(f"user-{ANNA}")
        await shop.announce(MUG, announcement(MUG))  # announced again, as after a repeated request
        await shop.assign(ANNA, assignment(ANNA, 1, MUG))  # a repeat after a crash of streams
        await shop.assign(ANNA, assignment(ANNA, 2, LAMP))  # not ready yet
        await shop.announce(LAMP, announcement(LAMP))
        await shop.purged(f"banner-{LAMP}")
        await shop.announce(MUG, announcement(MUG, revision=2))
        await shop.purged(f"banner-{MUG}")
        await shop.assign(ANNA, None)
        await until(lambda: shop.api.dropped.count(f"user-{ANNA}") == 3)
    assert sorted(shop.api.dropped) == sorted(
        [f"user-{ANNA}", f"banner-{LAMP}", f"user-{ANNA}", f"banner-{MUG}", f"user-{ANNA}"]
    )


async def test_a_purger_that_comes_later_knows_who_waits_for_which_banner(shop: Shop) -> None:
    async with shop.purger() as purger:
        await purger.begun()
        await shop.announce(MUG, announcement(MUG))
        await shop.assign(ANNA, assignment(ANNA, 1, MUG))
        await shop.assign(ANNA, assignment(ANNA, 2, LAMP))
        await shop.purged(f"user-{ANNA}")
        await until(lambda: purger.registry.get_sample_value("bannerstream_cdn_visitors") == 1)
    shop.api.batches.clear()
    await shop.announce(LAMP, announcement(LAMP))  # while no purger runs
    async with shop.purger():
        await shop.purged(f"user-{ANNA}", f"banner-{LAMP}")


async def test_nothing_is_committed_before_the_cdn_has_taken_it(shop: Shop) -> None:
    async with shop.purger() as purger:
        await purger.begun()
        before, begun_at = await shop.committed(), time.time() - 1
        assert purger.waiting_since == 0
        shop.api.script, shop.api.stuck = [(503, {"Retry-After": "0"}, "down")], True
        await shop.assign(ANNA, assignment(ANNA, 1, MUG))
        await until(lambda: shop.api.scripted >= 2)
        assert await shop.committed() == before
        assert begun_at <= purger.waiting_since <= time.time()
    assert await shop.committed() == before, "a stop does not commit it, either"
    shop.api.script = []
    async with shop.purger() as purger:
        await shop.purged(f"user-{ANNA}")
        await until(lambda: len(shop.api.batches) == 1)
        await until(lambda: purger.waiting_since == 0)


async def test_what_the_cdn_refuses_and_what_is_no_assignment_become_dead_letters(shop: Shop) -> None:
    table = shop.settings.kafka.topic_table()
    async with shop.purger() as purger:
        await purger.begun()
        shop.api.script = [(422, {}, "no such tag")]
        await shop.assign(ANNA, assignment(ANNA, 1, MUG))
        await until(lambda: shop.api.scripted)
        await shop.assign(ANNA, b"not an assignment")
        await shop.publisher.publish_raw(table.ready.name, b"not a banner key", announcement(MUG))
        await shop.assign(BEN, assignment(BEN, 1, MUG))
        await shop.purged(f"user-{BEN}")

        def letters_of(code: str) -> float:
            return purger.registry.get_sample_value("bannerstream_cdn_refused_total", {"code": code}) or 0

        await until(lambda: (letters_of("malformed"), letters_of("purge_refused")) == (2, 1))
    letters = [stored.letter async for stored in dead_letters.read(shop.settings.kafka)]
    assert sorted((letter.code, letter.topic, letter.key, letter.value) for letter in letters) == [
        ("malformed", table.assignments.name, ANNA.encode(), None),
        ("malformed", table.ready.name, b"not a banner key", None),
        ("purge_refused", table.assignments.name, ANNA.encode(), None),
    ]
    (refusal,) = (letter for letter in letters if letter.code == "purge_refused")
    assert "no such tag" in refusal.reason
    replayed = await dead_letters.replay(shop.settings.kafka, shop.publisher)
    assert (replayed.replayed, replayed.truncated) == (0, 3), "a replay would write an old assignment after newer ones"


async def test_of_two_purgers_one_stands_by_and_takes_over(shop: Shop) -> None:
    async with shop.purger() as second:
        async with shop.purger() as first:
            await until(lambda: first.active or second.active)
            await shop.assign(ANNA, assignment(ANNA, 1, MUG))
            await shop.purged(f"user-{ANNA}")
            await until(lambda: first.active != second.active)
        await until(lambda: second.active)
        await shop.assign(BEN, assignment(BEN, 1, MUG))
        await shop.purged(f"user-{BEN}")
