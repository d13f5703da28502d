"""The batches that the consumer accepts, its seeks, and the offsets that it commits."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP, Message

from bannerstream.streams.batching.app import BatchApp
from bannerstream.streams.batching.consumer import BatchConsumer
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.store import Codec

CLICKS = TP("clicks", 0)


class Thread:
    """Fake of the thread that owns the Kafka connection: records seeks and commits."""

    def __init__(self) -> None:
        self.sought: list[int] = []
        self.began_at: list[dict[TP, int]] = []
        self.committed: dict[TP, int | None] = {}
        self.commits: list[Mapping[TP, int]] = []
        self.refuses = False
        self.thread_loop = SimpleNamespace(call_soon_threadsafe=lambda call, *args: call(*args))

    def seek_back(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)

    def assignment(self) -> set[TP]:
        return set(self.committed)

    async def seek_wait(self, offsets: dict[TP, int]) -> None:
        self.began_at.append(offsets)

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self.committed

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        self.commits.append(offsets)
        return not self.refuses


class Checkpointer:
    """Fake checkpointer: a flush succeeds or is aborted."""

    def __init__(self) -> None:
        self.journal: list[Any] = []
        self.abandons = False
        self.on_flush = lambda: None

    async def flush(self) -> None:
        self.journal.append("flush")
        self.on_flush()
        if self.abandons:
            raise WriteAborted("raised by the test")

    def committed(self, offsets: Mapping[TP, int]) -> None:
        self.journal.append(dict(offsets))


@pytest.fixture
async def consumer(tmp_path, monkeypatch) -> BatchConsumer:
    monkeypatch.setattr(BatchConsumer, "_new_consumer_thread", lambda self: Thread())
    monkeypatch.setattr(BatchConsumer, "add_dependency", lambda self, service: service)
    app = BatchApp("test", connect_producer=None, connect_reader=None, datadir=str(tmp_path))
    app.write_behind("states", Codec(bytes, bytes), publish=None)
    app.checkpointer = Checkpointer()
    return app.transport.create_consumer(
        lambda message: None,
        on_partitions_revoked=lambda revoked: asyncio.sleep(0),
        on_partitions_assigned=lambda assigned, generation: asyncio.sleep(0),
    )


async def begin(consumer: BatchConsumer, committed: int | None) -> None:
    consumer._thread.committed = {CLICKS: committed}
    consumer._committed_offset[CLICKS] = committed
    await consumer.perform_seek()


def batch(begin: int, end: int) -> Batch:
    return Batch(CLICKS, begin, end, [SimpleNamespace(offset=each, timestamp=2_500) for each in range(begin, end)])


@pytest.mark.parametrize(("committed", "begin_at"), [(None, 0), (5, 5)])
async def test_a_partition_begins_at_its_committed_offset_even_if_records_were_dropped_before(
    consumer, committed, begin_at
):
    await begin(consumer, committed)
    assert consumer._thread.began_at == [{CLICKS: begin_at}]
    assert consumer.accept(batch(begin_at, begin_at + 1)) is not None


async def test_a_batch_becomes_one_message_that_stands_for_the_last_offset_it_covers(consumer):
    await begin(consumer, 5)
    message = consumer._to_message(CLICKS, Batch(CLICKS, 5, 9, batch(5, 7).records))
    assert (message.offset, message.timestamp, message.value.end) == (8, 2.5, 9)
    hole = consumer._to_message(CLICKS, Batch(CLICKS, 9, 11, []))
    assert hole.offset == 10


async def test_a_message_that_merely_left_its_stream_is_not_committed(consumer):
    await begin(consumer, 5)
    message = Message("clicks", 0, 7, 0.0, 0, [], None, None, None, tp=CLICKS)
    consumer.accept(batch(5, 8))
    assert consumer.ack(message)
    assert not consumer.ack(message)
    assert not await consumer.commit()
    assert consumer._thread.commits == []


async def test_states_are_flushed_before_offsets_are_committed_and_who_asks_hears_of_it(consumer):
    await begin(consumer, 5)
    consumer.accept(batch(5, 8))
    consumer.positions.apply(batch(5, 8))
    consumer.app.checkpointer.on_flush = lambda: consumer.app.checkpointer.journal.append(
        list(consumer._thread.commits)
    )
    assert await consumer.commit()
    assert consumer.app.checkpointer.journal == ["flush", [], {CLICKS: 8}]
    assert consumer._thread.commits == [{CLICKS: 8}]


async def test_a_refused_commit_is_not_taken_for_done_and_its_records_are_read_again(consumer):
    """A new group commits while it rebalances; the partition comes back to this worker without a committed offset."""
    await begin(consumer, None)
    consumer._thread.refuses = True
    consumer.accept(batch(0, 8))
    consumer.positions.apply(batch(0, 8))
    assert not await consumer.commit()
    assert consumer.app.checkpointer.journal == ["flush", {CLICKS: None}]
    await consumer.perform_seek()
    assert consumer._thread.began_at[-1] == {CLICKS: 0}
    consumer._thread.refuses = False
    consumer.positions.apply(consumer.accept(batch(0, 8)))
    assert await consumer.commit()


async def test_what_is_applied_during_the_flush_waits_for_the_next_commit(consumer):
    """The flush covers the states that were dirty when it was requested."""
    await begin(consumer, 5)
    consumer.accept(batch(5, 7))
    consumer.accept(batch(7, 9))
    consumer.positions.apply(batch(5, 7))
    consumer.app.checkpointer.on_flush = lambda: consumer.positions.apply(batch(7, 9))
    await consumer.commit()
    await consumer.commit()
    assert consumer._thread.commits == [{CLICKS: 7}, {CLICKS: 9}]


async def test_a_flush_that_is_given_up_commits_nothing(consumer):
    await begin(consumer, 5)
    consumer.accept(batch(5, 8))
    consumer.positions.apply(batch(5, 8))
    consumer.app.checkpointer.abandons = True
    assert not await consumer.commit()
    assert consumer._thread.commits == []


async def test_batches_of_another_position_are_refused_and_the_partition_is_sought_back(consumer):
    await begin(consumer, 5)
    assert consumer.accept(batch(7, 9)) is None
    assert consumer._thread.sought == [5]
    assert consumer.accept(batch(7, 9)) is None
    assert consumer._thread.sought == [5, 5]
    assert consumer.accept(batch(5, 9)) is not None


async def test_after_a_discard_nothing_is_accepted_or_committed_until_the_partitions_are_assigned_again(consumer):
    await begin(consumer, 5)
    consumer.positions.apply(consumer.accept(batch(5, 7)))
    consumer.discard_uncommitted()
    assert consumer.accept(batch(7, 9)) is None
    assert not await consumer.commit()
    assert (consumer._thread.commits, consumer._thread.sought) == ([], [])
    await begin(consumer, 5)
    assert consumer.accept(batch(5, 9)) is not None


async def test_what_streams_dropped_does_not_make_faust_ignore_what_comes_again(consumer):
    consumer._read_offset[CLICKS] = 100
    assert consumer._read_offset[CLICKS] is None


async def test_a_partition_is_settled_before_it_is_given_up_and_takes_nothing_after(consumer):
    await begin(consumer, 5)
    consumer.accept(batch(5, 8))
    consumer.positions.apply(batch(5, 8))
    await consumer.on_partitions_revoked({CLICKS})
    assert consumer._thread.commits[0] == {CLICKS: 8}
    assert consumer.accept(batch(8, 9)) is None
    assert consumer.positions.applied() == {}


@pytest.mark.parametrize("abandons", [False, True])
async def test_rounds_end_before_a_partition_is_given_up_even_if_there_is_nothing_to_commit(consumer, abandons):
    """A later checkpoint would overwrite the next owner's states."""
    await begin(consumer, None)
    consumer.accept(batch(0, 3))
    consumer.app.checkpointer.abandons = abandons
    await consumer.on_partitions_revoked({CLICKS})
    assert "flush" in consumer.app.checkpointer.journal
    assert consumer.positions.applied() == {}
