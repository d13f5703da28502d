"""Rounds: states, effects and offsets of one moment in one transaction, or nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from faust.types import TP

from bannerstream.streams.batching import rounds as module
from bannerstream.streams.batching.bulk_producer import Write
from bannerstream.streams.batching.checkpointer import Checkpointer, Conclusion
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.positions import Positions
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.store import Codec, Partitions, decoded_states
from tests.support.waiting import until

Committed = tuple[int, dict[str, list[bytes]], dict[TP, int]]


class Transactions:
    """Fake: keeps committed rounds, and answers when the test lets it."""

    def __init__(self) -> None:
        self.committed: list[Committed] = []
        self.fenced: set[int] = set()
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0
        self.ends: dict[int, int] = {}

    async def commit(
        self, partition: int, writes: Sequence[Write], offsets: Mapping[TP, int]
    ) -> dict[tuple[str, int], int]:
        self.asked += 1
        await self.answers.wait()
        if partition in self.fenced:
            raise WriteAborted("fenced by the test")
        records = {
            write.topic: [(key or b"") + b"=" + (value or b"") for key, value, _ in write.records] for write in writes
        }
        self.committed.append((partition, records, dict(offsets)))
        self.ends[partition] = self.ends.get(partition, 0) + len(records["changelog"])
        end = self.ends[partition]
        self.ends[partition] += 1  # the end of the transaction
        return {("changelog", partition): end}


class Consumer:
    """Fake of the consumer, with real positions."""

    def __init__(self) -> None:
        self.positions = Positions()
        self.offsets: dict[TP, int] = {}
        self.rejoined = 0

    def uncommitted(self, offsets: dict[TP, int]) -> dict[TP, int]:
        return {tp: offset for tp, offset in offsets.items() if offset > self.offsets.get(tp, 0)}

    def committed_in_round(self, offsets: dict[TP, int]) -> None:
        self.offsets |= offsets

    def discard_uncommitted(self) -> None:
        self.positions.forget(self.positions.applied())

    def rejoin(self) -> None:
        self.rejoined += 1


class World:
    """A checkpointer that writes rounds, and its fakes."""

    def __init__(self) -> None:
        self.transactions = Transactions()
        self.consumer = Consumer()
        self.consumer.positions.begin({TP(topic, number): 0 for topic in ("clicks", "buys") for number in (0, 1)})
        self.partitions = Partitions(decoded_states(Codec(bytes, bytes)))
        self.published: list[str] = []
        self.defects: list[BaseException] = []
        self.checkpointer: Checkpointer[str] = Checkpointer(
            self.partitions,
            "changelog",
            None,  # type: ignore[arg-type]  # nothing is written outside transactions
            self.records_of,
            lambda: self.consumer,
            on_defect=self.on_defect,
            published=self.published.extend,
        )
        self.checkpointer.use(self.transactions)  # type: ignore[arg-type]  # a fake

    async def records_of(self, effects: Sequence[str]) -> list[Write]:
        return [Write("effects", 0, [(None, effect.encode(), []) for effect in effects])]

    async def on_defect(self, error: BaseException) -> None:
        self.defects.append(error)

    def fold(self, batch: Batch, effects: str | None = None, **states: bytes) -> None:
        """Fold a batch as an agent does: accept, put, submit."""
        assert self.consumer.positions.accept(batch) is batch
        for key, state in states.items():
            self.partitions[batch.tp.partition].put(key.encode(), state)
        self.checkpointer.submit(batch, effects=effects)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.checkpointer.start()
    yield world
    world.transactions.answers.set()
    await world.checkpointer.stop()


def clicks(begin: int, end: int, partition: int = 0, topic: str = "clicks") -> Batch:
    return Batch(TP(topic, partition), begin, end, [])


async def test_a_round_has_every_changed_state_of_its_partition_the_effects_and_the_offsets(world):
    world.fold(clicks(0, 5), ada=b"1")
    world.fold(clicks(0, 3, topic="buys"), bob=b"1")
    world.fold(clicks(0, 9, partition=1), eve=b"1")
    world.fold(clicks(5, 7), "ada's banner", ada=b"2")
    await until(lambda: world.published, "the effects are published")
    changelog, effects = [b"ada=2", b"bob=1"], [b"=ada's banner"]
    offsets = {TP("clicks", 0): 7, TP("buys", 0): 3}
    assert world.transactions.committed == [(0, {"changelog": changelog, "effects": effects}, offsets)]
    assert world.partitions[1].dirty() == [b"eve"]
    assert (world.partitions[0].packed_store.get(b"ada"), world.partitions[0].packed_store.reached()) == (b"2", 3)


async def test_what_has_no_effect_waits_for_the_next_flush(world):
    world.fold(clicks(0, 5), ada=b"1")
    world.fold(clicks(0, 9, partition=1))
    assert world.transactions.committed == []
    await world.checkpointer.flush()
    assert sorted(world.transactions.committed, key=lambda committed: committed[0]) == [
        (0, {"changelog": [b"ada=1"]}, {TP("clicks", 0): 5}),
        (1, {"changelog": []}, {TP("clicks", 1): 9}),
    ]
    await world.checkpointer.flush()
    assert len(world.transactions.committed) == 2


async def test_the_store_knows_the_offset_after_each_transactions_end(world):
    for number in range(3):
        world.fold(clicks(number, number + 1), ada=b"%d" % number)
        await world.checkpointer.flush()
    assert world.partitions[0].packed_store.reached() == 6


async def test_events_folded_during_a_round_are_in_the_next_one_with_their_offsets(world):
    world.transactions.answers.clear()
    world.fold(clicks(0, 5), "first", ada=b"1")
    await until(lambda: world.transactions.asked, "the round is on its way")
    world.fold(clicks(5, 6), ada=b"2")
    world.fold(clicks(0, 4, partition=1), eve=b"1")
    world.transactions.answers.set()
    await until(lambda: world.consumer.positions.applied()[TP("clicks", 1)] == 4, "the others are applied")
    assert world.transactions.committed[0][1:] == (
        {"changelog": [b"ada=1"], "effects": [b"=first"]},
        {TP("clicks", 0): 5},
    )
    assert world.consumer.positions.applied()[TP("clicks", 0)] == 6
    await world.checkpointer.flush()
    assert (0, {"changelog": [b"ada=2"]}, {TP("clicks", 0): 6}) in world.transactions.committed


async def test_events_folded_while_a_large_round_is_encoded_belong_to_it(world, monkeypatch):
    monkeypatch.setattr(module, "ENCODED_SLICE", 2)
    world.fold(clicks(0, 9), **{f"user-{number}": b"1" for number in range(9)})
    flush = asyncio.create_task(world.checkpointer.flush())
    slices = iter(range(9))

    def fold_on() -> None:
        if not world.transactions.asked and (number := next(slices, None)) is not None:
            world.fold(clicks(9 + number, 10 + number), **{"user-0": b"later %d" % number})
            asyncio.get_running_loop().call_soon(fold_on)

    asyncio.get_running_loop().call_soon(fold_on)
    await flush
    (_, records, offsets), *_ = world.transactions.committed
    end = offsets[TP("clicks", 0)]
    assert end > 9, "the test folds while it is encoded"
    of_user = [record for record in records["changelog"] if record.startswith(b"user-0=")]
    assert of_user[-1] == b"user-0=later %d" % (end - 10)


async def test_a_round_that_is_fenced_leaves_nothing_and_the_worker_rejoins(world):
    world.fold(clicks(0, 1), ada=b"1")
    await world.checkpointer.flush()
    world.transactions.fenced = {0}
    world.fold(clicks(1, 5), "never", ada=b"stale")
    await until(lambda: world.consumer.rejoined, "it rejoins")
    assert (world.published, world.partitions[0].get(b"ada"), world.consumer.positions.applied()) == ([], b"1", {})
    assert world.consumer.offsets == {TP("clicks", 0): 1}
    assert world.defects == []


async def test_a_round_beside_a_fenced_one_is_complete(world):
    world.transactions.fenced = {0}
    world.fold(clicks(0, 5), ada=b"1")
    world.fold(clicks(0, 5, partition=1), eve=b"1")
    with pytest.raises(WriteAborted):
        await world.checkpointer.flush()
    assert world.partitions[1].packed_store.get(b"eve") == b"1"
    assert world.partitions[0].packed_store.get(b"ada") is None
    assert world.consumer.offsets == {TP("clicks", 1): 5}


async def test_a_defect_ends_the_worker(world):
    world.checkpointer._rounds._records_of = None
    world.fold(clicks(0, 5), "effects")
    await until(lambda: world.defects, "the defect is reported")
    assert world.transactions.committed == []


async def test_a_deferred_batch_is_committed_by_the_round_after_its_turn(world):
    world.fold(clicks(0, 5), ada=b"1")
    erasures = clicks(0, 1, topic="buys")
    assert world.consumer.positions.accept(erasures)
    world.checkpointer.defer(erasures, {TP("clicks", 0): 5}, Conclusion)
    await world.checkpointer.flush()
    assert world.consumer.offsets == {TP("clicks", 0): 5}
    world.checkpointer.committed(world.consumer.offsets)
    await world.checkpointer.flush()
    assert world.consumer.offsets == {TP("clicks", 0): 5, TP("buys", 0): 1}
