"""Changelogs of a real Kafka, read back into partitions."""

import asyncio
import time
from collections.abc import Callable, Iterable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from bannerstream.streams.batching.changelog_reader import ChangelogReader
from bannerstream.streams.batching.store import Codec, MemoryStore, Partitions, decoded_states
from tests.support.kafka_records import records_in
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

COMPACTED = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.01", "segment_ms": "100"}


class Noticing(MemoryStore):
    """Signals when it applies changes."""

    def __init__(self, notice: Callable[[], object]) -> None:
        super().__init__()
        self._notice = notice

    def update(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        super().update(changes, reached)
        self._notice()


class World:
    """A reader, its partitions, and its number of connections."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self.on_update: Callable[[], object] = lambda: None
        self.partitions = Partitions(decoded_states(Codec(bytes, bytes), lambda number: Noticing(self._notice)))
        self.reader = ChangelogReader(self._connect, self.partitions)
        self.connected = 0
        self.refusals = 0

    def _notice(self) -> None:
        self.on_update()

    async def _connect(self) -> AIOKafkaConsumer:
        self.connected += 1
        if self.refusals:
            self.refusals -= 1
            raise KafkaConnectionError("raised by the test")
        # Small fetches, so that a changelog needs many of them.
        consumer = AIOKafkaConsumer(bootstrap_servers=self.brokers, max_partition_fetch_bytes=2_000)
        await consumer.start()
        return consumer

    def states(self, number: int = 0) -> dict[bytes, bytes]:
        return dict(self.partitions[number].packed_store.items())

    def reached(self, number: int = 0) -> int | None:
        return self.partitions[number].packed_store.reached()


@pytest.fixture
def world(brokers: str) -> World:
    return World(brokers)


async def write(producer: AIOKafkaProducer, topic: str, states: dict[bytes, bytes | None], partition: int = 0) -> int:
    """Write states; return the offset after the last."""
    sent = [await producer.send(topic, value, key, partition=partition) for key, value in states.items()]
    return max([(await future).offset for future in sent]) + 1


def numbered(count: int, version: int = 1) -> dict[bytes, bytes]:
    return {b"user-%d" % number: b"%d " % version * 10 for number in range(count)}


async def read(world: World, topic: str, *partitions: int) -> None:
    tps = [TP(topic, each) for each in partitions or (0,)]
    await asyncio.wait_for(world.reader.read_to_end(tps), PATIENCE_S)


async def test_everything_is_there_when_it_returns_and_tombstones_have_removed(world, producer, make_topic):
    topic = await make_topic("changelog", 2, cleanup_policy="compact")
    await write(producer, topic, numbered(500))
    await write(producer, topic, {b"user-7": None, b"user-8": b"newer"})
    end = await write(producer, topic, {b"nobody": None})
    other = await write(producer, topic, {b"other": b"1"}, partition=1)
    await read(world, topic, 0, 1)
    assert world.states() == {key: value for key, value in numbered(500).items() if key != b"user-7"} | {
        b"user-8": b"newer"
    }
    assert world.states(1) == {b"other": b"1"}
    assert (world.reached(), world.reached(1)) == (end, other)


async def test_nothing_is_waited_for_where_nothing_was_written(world, make_topic):
    topic = await make_topic("changelog", cleanup_policy="compact")
    await read(world, topic)
    assert (world.states(), world.reached()) == ({}, None)


async def test_holes_that_compaction_left_are_read_over(world, producer, make_topic, quick_cleaner):
    topic = await make_topic("changelog", **COMPACTED)
    for version in range(3):
        end = await write(producer, topic, numbered(100, version))
    deadline = time.monotonic() + PATIENCE_S
    while len(await records_in(world.brokers, topic)) >= end:
        assert time.monotonic() < deadline, "nothing was compacted"
        end = await write(producer, topic, {b"the last segment is not compacted": b"1"})
    await read(world, topic)
    assert {key: value for key, value in world.states().items() if key.startswith(b"user")} == numbered(100, 2)
    assert world.reached() == end


async def test_it_goes_on_from_where_it_stands(world, producer, make_topic):
    topic = await make_topic("changelog", cleanup_policy="compact")
    end = await write(producer, topic, {b"ada": b"1", b"bob": b"1"})
    world.partitions.apply(0, [(b"cyd", b"not in the changelog")], end)
    await write(producer, topic, {b"ada": b"2"})
    await read(world, topic)
    assert world.states() == {b"cyd": b"not in the changelog", b"ada": b"2"}
    assert world.reached() == end + 1


async def test_states_of_another_changelog_are_dropped(world, producer, make_topic):
    """A topic that was deleted and created again starts at offset 0."""
    topic = await make_topic("changelog", cleanup_policy="compact")
    end = await write(producer, topic, {b"ada": b"1"})
    world.partitions.apply(0, [(b"ada", b"0"), (b"bob", b"of another time")], end + 1)
    await read(world, topic)
    assert world.states() == {b"ada": b"1"}
    assert world.reached() == end


async def test_a_standby_follows_what_is_written(world, producer, make_topic):
    topic = await make_topic("changelog", cleanup_policy="compact")
    await write(producer, topic, numbered(10))
    following = asyncio.create_task(world.reader.follow([TP(topic, 0)]))
    try:
        await until(lambda: world.states() == numbered(10), "it caught up")
        await write(producer, topic, {b"user-3": None, b"ada": b"1"})
        expected = {key: value for key, value in numbered(10).items() if key != b"user-3"} | {b"ada": b"1"}
        await until(lambda: world.states() == expected, "it followed")
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert following.cancelled()
    assert world.connected == 1


async def test_a_reading_that_is_cancelled_half_way_is_gone_on_with(world, producer, make_topic):
    topic = await make_topic("changelog", cleanup_policy="compact")
    end = await write(producer, topic, numbered(2_000))
    reading = asyncio.create_task(world.reader.read_to_end([TP(topic, 0)]))
    world.on_update = reading.cancel
    await asyncio.wait([reading], timeout=PATIENCE_S)
    assert reading.cancelled()
    world.on_update = lambda: None
    half_way = world.reached()
    assert 0 < half_way < end
    assert world.states() == numbered(half_way)
    await read(world, topic)
    assert (world.states(), world.reached()) == (numbered(2_000), end)


async def test_an_outage_is_waited_out(world, producer, make_topic):
    topic = await make_topic("changelog", cleanup_policy="compact")
    await write(producer, topic, numbered(10))
    world.refusals = 2
    await read(world, topic)
    assert (world.states(), world.connected) == (numbered(10), 3)


async def test_no_partitions_are_read_without_a_connection(world):
    await asyncio.wait_for(world.reader.read_to_end([]), 10)
    await asyncio.wait_for(world.reader.follow([]), 10)
    assert world.connected == 0
