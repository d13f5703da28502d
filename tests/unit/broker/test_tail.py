"""Reading to an end: positions decide, since compaction and transactions leave offsets without a record."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from bannerstream.broker.tail import Backlog, read_to

FIRST, SECOND = TopicPartition("changes", 0), TopicPartition("changes", 1)


class Consumer:
    """Hands out prepared fetches: per partition the offsets of its records, and the position after them."""

    def __init__(self, *fetches: dict[TopicPartition, tuple[list[int], int]]) -> None:
        self.requested: list[tuple[TopicPartition, ...]] = []
        self._fetches = list(fetches)
        self._positions = {FIRST: 0, SECOND: 0}

    async def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        del timeout_ms
        self.requested.append(partitions)
        fetch = self._fetches.pop(0)
        self._positions |= {partition: after for partition, (_, after) in fetch.items()}
        return {
            partition: [SimpleNamespace(offset=each) for each in offsets] for partition, (offsets, _) in fetch.items()
        }


async def offsets_read(consumer: Consumer, ends: dict[TopicPartition, int]) -> list[list[int]]:
    return [
        [record.offset for records in fetched.values() for record in records]
        async for fetched in read_to(consumer, ends, 10)
    ]


async def test_reads_until_every_partition_is_at_its_end() -> None:
    consumer = Consumer({FIRST: ([0, 1], 2)}, {SECOND: ([0], 1)}, {SECOND: ([1, 2], 3)})
    assert await offsets_read(consumer, {FIRST: 2, SECOND: 3}) == [[0, 1], [0], [1, 2]]
    assert consumer.requested == [(FIRST, SECOND), (SECOND,), (SECOND,)]


async def test_records_that_came_after_the_end_was_taken_are_left_out() -> None:
    assert await offsets_read(Consumer({FIRST: ([3, 4, 5], 6)}), {FIRST: 5}) == [[3, 4]]


async def test_an_end_without_a_record_before_it_is_reached_by_position() -> None:
    """The last offsets were compacted away, or hold a transaction's marker."""
    assert await offsets_read(Consumer({FIRST: ([0], 1)}, {FIRST: ([], 4)}), {FIRST: 4}) == [[0], []]


async def test_an_empty_topic_is_not_polled() -> None:
    consumer = Consumer()
    assert await offsets_read(consumer, {FIRST: 0, SECOND: 0}) == []
    assert consumer.requested == []


@pytest.mark.parametrize("rewinds_to", [0, 1])
async def test_a_partition_that_was_read_stays_so(rewinds_to: int) -> None:
    consumer = Consumer({FIRST: ([0, 1], 2)}, {FIRST: ([], rewinds_to), SECOND: ([0], 1)})
    backlog = Backlog(consumer, {FIRST: 2, SECOND: 1})
    assert not await backlog.is_read()
    await consumer.getmany(timeout_ms=1)
    assert not await backlog.is_read()
    assert list(backlog.partitions) == [SECOND]
    await consumer.getmany(timeout_ms=1)
    assert await backlog.is_read()
