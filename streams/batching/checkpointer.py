"""Writes states, effects and offsets: in one transaction for each partition, or else in this order.

A worker folds batches faster than a broker acknowledges them, so the checkpointer collects the results of batches and
writes them in checkpoints. With transactions, a checkpoint is a round of each partition that has something to write
(see `rounds`). Without, it is one acknowledged write of states followed by one of effects:

    submit ─> [batch, urgent keys, effects] ─┐                          ┌─> positions.apply ─> committable
    flush ──> a slice of all dirty keys ─────┴─> changelog ─> effects ──┘

- A state is in the changelog before its effects are published, so a crash between the two loses nothing: the replay
  finds the state and publishes again.
- Effects that a replay could not derive again, because the state is already past them, are published before the state
  (`publish_first`).
- All of this is acknowledged before the batch's offsets may be committed.
- `flush` writes every dirty state before each commit, in slices, so that urgent keys never wait for long.
- Before every write the producer checks that this worker is still a member of its group. If not, everything
  unacknowledged is discarded, here and in the table, and the next owner of the partitions folds it again. This worker
  rejoins before it writes again: an aborted write may be in the changelog although its acknowledgement was lost, and
  rejoining reads it from there.

docs/batching.md has the state diagram.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from faust.types import TP
from mode import Service

from bannerstream.streams.batching.bulk_producer import BulkProducer, Write
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.rounds import Entry, Rounds
from bannerstream.streams.batching.state_store import reached_by
from bannerstream.streams.batching.store import Partitions
from bannerstream.streams.batching.transactions import Transactions

E = TypeVar("E")

FLUSH_SLICE = 4_000
"""Keys of a flush per checkpoint. Packing and appending them takes about 10 ms, during which nothing else runs."""

MAX_WAITING = 8
"""Batches that may wait for a checkpoint before folding pauses: about 40,000 records, so slow brokers show soon."""


class ConsumerOfBatches(Protocol):
    """The part of `consumer.BatchConsumer` that the checkpointer uses."""

    @property
    def positions(self) -> Any:
        """Return the `positions.Positions`."""
        ...

    def uncommitted(self, offsets: dict[TP, int]) -> dict[TP, int]:
        """Return the offsets that are ahead of the committed ones."""
        ...

    def committed_in_round(self, offsets: dict[TP, int]) -> None:
        """Note that a transaction has committed these offsets."""
        ...

    def discard_uncommitted(self) -> None:
        """Accept and commit nothing until the partitions are assigned again."""
        ...

    def rejoin(self) -> None:
        """Rejoin the group and read the changelogs again before anything is written."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one checkpoint wrote, and how long its two writes took; for metrics."""

    batches: int
    states: int
    state_s: float
    effect_s: float | None
    """None where a transaction wrote states and effects together."""


@dataclass(slots=True)
class _Deferred(Generic[E]):
    """A change that is submitted once offsets are committed; `conclude` then computes its result."""

    partition: int
    batch: Batch | None
    until: Mapping[TP, int]
    submitted_before: int
    """Number of entries submitted before it; all of them are written first."""
    conclude: "Callable[[], Conclusion[E]]"


@dataclass(frozen=True, slots=True)
class Conclusion(Generic[E]):
    """The result of a deferred change: see `Checkpointer.submit`."""

    urgent: Collection[bytes] = ()
    effects: E | None = None


@dataclass(slots=True)
class _Flush:
    """A requested flush: the keys still to write, by partition, and the future of the caller."""

    done: "asyncio.Future[None]"
    keys: dict[int, deque[bytes]] = field(default_factory=dict)


class Checkpointer(Service, Generic[E]):
    """Writes the results of batches: in transactions from `use` on, else states first.

    `publish` returns the records that publish effects, and `published` is called once they are written.
    `publish_first` returns those records that a replay cannot derive once it finds the state, as that a record was
    rejected: without transactions, they are written before the states.
    """

    logger = logging.getLogger("bannerstream.streams.batching")

    def __init__(
        self,
        partitions: Partitions[Any],
        changelog: str,
        producer: BulkProducer,
        publish: Callable[[Sequence[E]], Awaitable[Sequence[Write]]],
        consumer: Callable[[], ConsumerOfBatches],
        *,
        on_defect: Callable[[BaseException], Awaitable[None]],
        publish_first: Callable[[Sequence[E]], Awaitable[Sequence[Write]]] | None = None,
        published: Callable[[Sequence[E]], None] = lambda _: None,
        on_checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._partitions = partitions
        self._changelog = changelog
        self._producer = producer
        self._publish = publish
        self._publish_first = publish_first
        self._published = published
        self._rounds: Rounds[E] | None = None
        self._consumer = consumer
        self._on_defect = on_defect
        self._on_checkpoint = on_checkpoint
        self._entries: deque[Entry[E]] = deque()
        self._deferred: deque[_Deferred[E]] = deque()
        self._submitted = self._written = 0
        self._flushes: deque[_Flush] = deque()
        self._wake = asyncio.Event()
        self._has_capacity = asyncio.Event()
        self._has_capacity.set()
        self._busy = False
        self._ended = False
        """A defect ended the writing; the worker is about to stop."""

    def use(self, transactions: Transactions) -> None:
        """Write in transactions. Call it before anything is submitted."""
        self._rounds = Rounds(self._partitions, self._changelog, transactions, self._records_of, self._published)

    # Called by the agent:

    async def wait_for_capacity(self) -> None:
        """Return once another batch may be folded."""
        await self._has_capacity.wait()

    def submit(self, batch: Batch, *, urgent: Collection[bytes] = (), effects: E | None = None) -> None:
        """Submit the results of a folded batch.

        `urgent` are keys of its partition whose states must be in the changelog before `effects` are published; other
        changed states may wait for the next flush.
        """
        if not urgent and effects is None and not self._entries and not self._busy and not self._ended:
            self._consumer().positions.apply(batch)  # nothing to write, and nothing before it
            return
        self._add(Entry(batch.tp.partition, urgent, effects, batch))

    def submit_change(self, partition: int, *, urgent: Collection[bytes], effects: E | None = None) -> None:
        """Submit a change of a partition that does not come from a batch."""
        self._add(Entry(partition, urgent, effects))

    def defer(self, batch: Batch, until: Mapping[TP, int], conclude: Callable[[], Conclusion[E]]) -> None:
        """Submit a batch once the offsets `until` are committed, with the result that `conclude` then returns.

        For changes that a replay must not undo: while an event may be read again, a tombstone would let it count
        twice. Everything submitted earlier is written by then. Deferred batches are submitted in order; after one
        deferred batch of a partition, the later ones of that partition must be deferred, too.
        """
        self._deferred.append(_Deferred(batch.tp.partition, batch, until, self._submitted, conclude))

    def defer_change(self, partition: int, until: Mapping[TP, int], conclude: Callable[[], Conclusion[E]]) -> None:
        """Defer a change that does not come from a batch; a rebalance drops it, and nothing reads it again."""
        self._deferred.append(_Deferred(partition, None, until, self._submitted, conclude))

    def _add(self, entry: Entry[E]) -> None:
        if self._ended:
            return  # never applied, so the next worker folds it again
        self._submitted += 1
        self._entries.append(entry)
        if len(self._entries) >= MAX_WAITING:
            self._has_capacity.clear()
        self._wake.set()

    # Called by the consumer:

    async def flush(self) -> None:
        """Return once every currently dirty state and every submitted batch is acknowledged.

        Raises:
            WriteAborted: the flush was aborted, and everything unacknowledged was discarded.
        """
        flush = _Flush(asyncio.get_running_loop().create_future())
        for partition in self._partitions:
            if keys := self._partitions[partition].dirty():
                flush.keys[partition] = deque(keys)
        if not flush.keys and not self._entries and not self._busy and not self._is_behind():
            return
        if self.should_stop or self._ended:
            raise WriteAborted("the worker is stopping")
        self._flushes.append(flush)
        self._wake.set()
        await flush.done

    def committed(self, offsets: Mapping[TP, int | None]) -> None:
        """Note the committed offsets: earlier records are never read again.

        Submits as many deferred changes as one checkpoint takes; the others wait for the next call.
        """
        for _ in range(min(len(self._deferred), MAX_WAITING)):
            first = self._deferred[0]
            if self._written < first.submitted_before:
                return
            if any((offsets.get(tp) or 0) < offset for tp, offset in first.until.items()):
                return
            self._deferred.popleft()
            conclusion = first.conclude()
            if first.batch is not None:
                self.submit(first.batch, urgent=conclusion.urgent, effects=conclusion.effects)
            elif conclusion.urgent or conclusion.effects is not None:
                self.submit_change(first.partition, urgent=conclusion.urgent, effects=conclusion.effects)

    def forget_deferred(self) -> None:
        """Drop deferred changes: the partitions are assigned again, and their batches are read again."""
        self._deferred.clear()

    # The checkpoints:

    @Service.task
    async def _write(self) -> None:
        while not self.should_stop:
            await self._wake.wait()
            self._wake.clear()
            while self._entries or self._flushes:
                self._busy = True
                try:
                    await self._write_checkpoint()
                except WriteAborted as reason:
                    self._discard_uncommitted(reason)
                    self._consumer().rejoin()
                except Exception as error:  # a defect, or a permanent broker error: end the worker, to be restarted
                    self._ended = True
                    self._discard_uncommitted(WriteAborted(repr(error)))
                    await self._on_defect(error)
                    return
                finally:
                    self._busy = False

    async def on_stop(self) -> None:
        """Release everyone who waits."""
        if self._entries or self._flushes:
            self._discard_uncommitted(WriteAborted("the worker is stopping"))

    async def _write_checkpoint(self) -> None:
        """Write one checkpoint: one transaction for each partition, or else in this order.

        1. Take all entries, and encode their urgent states and the next slice of a flush.
        2. Publish what must precede the states.
        3. Write the states to the changelog.
        4. Publish the effects.
        5. Apply the batches: their offsets become committable.
        6. Complete a flush that has no keys left.
        """
        if self._rounds is not None:
            await self._write_rounds(self._rounds)
            return
        # 1.
        entries = [self._entries.popleft() for _ in range(len(self._entries))]
        self._has_capacity.set()
        flush = self._flushes[0] if self._flushes else None
        consumer = self._consumer()
        started_s = time.perf_counter()
        changes = self._encode(entries, flush)
        effects = [entry.effects for entry in entries if entry.effects is not None]
        # 2.
        if effects and self._publish_first is not None:
            await self._producer.deliver(await self._publish_first(effects))
        # 3.
        ends = await self._producer.deliver(
            [
                Write(self._changelog, partition, [(key, packed, []) for key, packed in changed])
                for partition, changed in changes.items()
            ]
        )
        for partition, changed in changes.items():
            states = self._partitions[partition]
            states.written(changed, reached_by(states, changed, ends[self._changelog, partition]))
        states_done_s = time.perf_counter()
        # 4.
        if effects:
            await self._producer.deliver(await self._publish(effects))
            self._published(effects)
        # 5.
        self._written += len(entries)
        for entry in entries:
            if entry.batch is not None:
                consumer.positions.apply(entry.batch)
        # 6.
        if flush is not None and not flush.keys:
            self._complete(flush)
        states, effects_s = sum(map(len, changes.values())), time.perf_counter() - states_done_s
        self._on_checkpoint(Checkpoint(len(entries), states, states_done_s - started_s, effects_s))

    async def _write_rounds(self, rounds: Rounds[E]) -> None:
        """Write a round of each partition with urgent states or effects, or of every one for a flush."""
        started_s = time.perf_counter()
        flushes = list(self._flushes)
        consumer = self._consumer()
        due = {entry.partition for entry in self._entries if flushes or entry.urgent or entry.effects is not None}
        if flushes:
            due.update(partition for partition in self._partitions if self._partitions[partition].dirty())
            due.update(tp.partition for tp in consumer.uncommitted(consumer.positions.applied()))
        for partition in {entry.partition for entry in self._entries} - due:
            for entry in self._take(partition):  # queued behind a round, with nothing to write itself
                self._written += 1
                consumer.positions.apply(entry.batch)
        entries, states = await rounds.write(due, self._take, consumer)
        self._written += entries
        for flush in flushes:
            self._complete(flush)
        if due:
            self._on_checkpoint(Checkpoint(entries, states, time.perf_counter() - started_s, None))

    def _take(self, partition: int) -> list[Entry[E]]:
        taken = [entry for entry in self._entries if entry.partition == partition]
        self._entries = deque(entry for entry in self._entries if entry.partition != partition)
        self._has_capacity.set()
        return taken

    async def _records_of(self, effects: Sequence[E]) -> list[Write]:
        first = [] if self._publish_first is None else await self._publish_first(effects)
        return [*first, *await self._publish(effects)]

    def _is_behind(self) -> bool:
        """Return whether a transaction has offsets to commit; without transactions the consumer commits them."""
        consumer = self._consumer()
        return self._rounds is not None and bool(consumer.uncommitted(consumer.positions.applied()))

    def _complete(self, flush: _Flush) -> None:
        self._flushes.remove(flush)
        self._partitions.evict_clean()
        if not flush.done.done():
            flush.done.set_result(None)

    def _encode(self, entries: Sequence[Entry[E]], flush: _Flush | None) -> dict[int, list[tuple[bytes, bytes | None]]]:
        """Return changelog records by partition, of the urgent keys and of the next slice of a flush."""
        keys: dict[int, list[bytes]] = {}
        for entry in entries:
            if entry.urgent:
                keys.setdefault(entry.partition, []).extend(entry.urgent)
        remaining = FLUSH_SLICE
        while flush is not None and flush.keys and remaining:
            partition, waiting = next(iter(flush.keys.items()))
            slice_ = [waiting.popleft() for _ in range(min(remaining, len(waiting)))]
            keys.setdefault(partition, []).extend(slice_)
            remaining -= len(slice_)
            if not waiting:
                del flush.keys[partition]
        encoded = {partition: self._partitions[partition].encode(of_one) for partition, of_one in keys.items()}
        return {partition: changes for partition, changes in encoded.items() if changes}

    def _discard_uncommitted(self, reason: WriteAborted) -> None:
        """Discard everything unacknowledged; the next owner of the partitions folds it again."""
        self.log.info("discarded unwritten states and effects; their events are folded again: %s", reason)
        self._entries.clear()
        self._deferred.clear()
        self._written = self._submitted
        self._has_capacity.set()
        self._partitions.roll_back()
        self._consumer().discard_uncommitted()
        while self._flushes:
            done = self._flushes.popleft().done
            if not done.done():
                done.set_exception(reason)
