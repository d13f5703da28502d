"""A changelog reader whose partitions are reassigned while it reads. With a real Kafka: tests/integration/streams."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from bannerstream.streams.batching import changelog_reader as module
from bannerstream.streams.batching.changelog_reader import ChangelogReader
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.store import Codec, Partition, Partitions, decoded_states

CHANGELOG = TP("changelog", 2)
RECORDS = 40


class Broker:
    """A consumer of one partition with 40 states; each fetch returns ten."""

    def __init__(self) -> None:
        self.next = 0
        self.on_fetch = asyncio.Event()

    def assign(self, _: Any) -> None: ...

    def seek(self, _: Any, offset: int) -> None:
        self.next = offset

    async def beginning_offsets(self, tps: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(tps, RECORDS)

    async def stop(self) -> None: ...

    async def fetch(self, *_: Any) -> dict[TP, Batch]:
        begin, self.next = self.next, min(RECORDS, self.next + 10)
        self.on_fetch.set()
        await asyncio.sleep(0)
        records = [SimpleNamespace(offset=each, key=b"%d" % each, value=b"state") for each in range(begin, self.next)]
        return {CHANGELOG: Batch(CHANGELOG, begin, self.next, records)} if records else {}


@pytest.fixture
def broker(monkeypatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(module, "fetch_batches", broker.fetch)
    return broker


@pytest.fixture
def partitions() -> Partitions[Partition[bytes]]:
    return Partitions(decoded_states(Codec(bytes, bytes)))


async def test_a_partition_that_is_taken_away_while_it_is_read_does_not_come_back_with_a_hole(broker, partitions):
    async def connect() -> Broker:
        return broker

    reading = asyncio.create_task(ChangelogReader(connect, partitions).read_to_end([CHANGELOG]))
    await broker.on_fetch.wait()
    partitions.drop([2])
    await reading
    assert partitions.find(2) is None
    await ChangelogReader(connect, partitions).read_to_end([CHANGELOG])  # it is given back
    assert len(partitions[2]) == RECORDS
