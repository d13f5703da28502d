"""The writer: states, then what follows from them, then offsets. Nothing is committed that is not written before it.

A worker folds batches faster than a broker acknowledges them, so the checkpointer gathers what batches lead to and writes it
in rounds. One round is one acknowledged write of states, and after it one of effects:

    enter ─> [batch, urgent keys, effects] ─┐                          ┌─> positions.apply ─> committable
    flush ─> a slice of all dirty keys ─────┴─> changelog ─> effects ──┘

- A state is in the changelog before any effect of it is published, so a crash between the two loses nothing: the replay
  finds the state and publishes again.
- What the replay would not find out again, because the state is past it, goes out before the state (`publish_first`).
- All of it is acknowledged before the batch's offsets may be committed.
- `flush` writes every dirty state; it is called before each commit, in slices, so that urgent keys never wait for long.
- Before every write the producer asks whether this worker is still a member of its group. When it is not, everything
  that is not acknowledged is forgotten, here and in the table, and is read again by whoever has the partitions then.
  If that is this worker, it joins anew first: what it gave up may be in the changelog all the same, its acknowledgement
  lost with the connection, and is read from there.
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
from bannerstream.streams.batching.store import Partitions

E = TypeVar("E")

FLUSH_SLICE = 4_000
"""Keys of a flush that one round writes. Packing and appending them takes about 10 ms, in which nothing else runs."""

MAX_WAITING = 8
"""Batches that may wait for a round before folding pauses: about 40,000 records, so a slow broker is felt soon."""


class ConsumerOfBatches(Protocol):
    """What the checkpointer needs of the consumer (`consumer.BatchConsumer`)."""

    @property
    def positions(self) -> Any:
        """The `positions.Positions`."""
        ...

    def discard_uncommitted(self) -> None:
        """Take and commit nothing any more, until the partitions are assigned anew."""
        ...

    def rejoin(self) -> None:
        """Have the partitions assigned anew, and their changelogs read, before anything is written again."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one round wrote, for whoever counts it. Seconds."""

    batches: int
    states: int
    state_s: float
    effect_s: float


@dataclass(slots=True)
class _Entry(Generic[E]):
    number: int
    urgent: Collection[bytes]
    effects: E | None
    batch: Batch | None = None


@dataclass(slots=True)
class _Deferred(Generic[E]):
    """What is entered only once offsets are committed; what it leads to is found out then."""

    number: int
    batch: Batch | None
    until: Mapping[TP, int]
    behind: int
    """So many entries came before it, and are written before it is entered."""
    conclude: "Callable[[], Conclusion[E]]"


@dataclass(frozen=True, slots=True)
class Conclusion(Generic[E]):
    """What a deferred change leads to: see `Checkpointer.submit`."""

    urgent: Collection[bytes] = ()
    effects: E | None = None


@dataclass(slots=True)
class _Flush:
    """A flush that was asked for: the keys that are still to be written, and who waits for them."""

    done: "asyncio.Future[None]"
    keys: dict[int, deque[bytes]] = field(default_factory=dict)


class Checkpointer(Service, Generic[E]):
    """Writes what batches lead to. `publish` sends effects and returns once they are acknowledged.

    `publish_first` is given them before their states are written, for what a replay would not tell again once it finds
    the state: that a record was refused.
    """

    logger = logging.getLogger("bannerstream.streams.batching")

    def __init__(
        self,
        partitions: Partitions[Any],
        changelog: str,
        producer: BulkProducer,
        publish: Callable[[Sequence[E]], Awaitable[None]],
        consumer: Callable[[], ConsumerOfBatches],
        *,
        on_defect: Callable[[BaseException], Awaitable[None]],
        publish_first: Callable[[Sequence[E]], Awaitable[None]] | None = None,
        on_checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._partitions = partitions
        self._changelog = changelog
        self._producer = producer
        self._publish = publish
        self._publish_first = publish_first
        self._consumer = consumer
        self._on_defect = on_defect
        self._on_checkpoint = on_checkpoint
        self._entries: deque[_Entry[E]] = deque()
        self._deferred: deque[_Deferred[E]] = deque()
        self._entered = self._written = 0
        self._flushes: deque[_Flush] = deque()
        self._wake = asyncio.Event()
        self._has_capacity = asyncio.Event()
        self._has_capacity.set()
        self._busy = False
        self._ended = False
        """A defect ended the writing; the worker is about to follow."""

    # What the agent calls:

    async def wait_for_capacity(self) -> None:
        """Return once another batch may be folded."""
        await self._has_capacity.wait()

    def submit(self, batch: Batch, *, urgent: Collection[bytes] = (), effects: E | None = None) -> None:
        """Take over what a folded batch leads to.

        `urgent` are keys of its partition whose states must be in the changelog before `effects` are published; other
        states that it touched may wait for the next flush.
        """
        if not urgent and effects is None and not self._entries and not self._busy and not self._ended:
            self._consumer().positions.apply(batch)  # nothing to write, nothing ahead of it
            return
        self._add(_Entry(batch.tp.partition, urgent, effects, batch))

    def submit_change(self, number: int, *, urgent: Collection[bytes], effects: E | None = None) -> None:
        """Take over a change of partition `number` that comes from no batch."""
        self._add(_Entry(number, urgent, effects))

    def defer(self, batch: Batch, until: Mapping[TP, int], conclude: Callable[[], Conclusion[E]]) -> None:
        """Enter a batch only once the offsets `until` are committed, with what `conclude` then says it leads to.

        For what must not be undone by a replay: as long as an event may be read again, a tombstone would let it count
        anew. By then everything is written that was entered before. What was deferred is entered in its order; a batch
        of a partition of which one is deferred must be deferred, too.
        """
        self._deferred.append(_Deferred(batch.tp.partition, batch, until, self._entered, conclude))

    def defer_change(self, number: int, until: Mapping[TP, int], conclude: Callable[[], Conclusion[E]]) -> None:
        """Defer a change of partition `number` that comes from no batch: it is forgotten where a batch comes again."""
        self._deferred.append(_Deferred(number, None, until, self._entered, conclude))

    def _add(self, entry: _Entry[E]) -> None:
        if self._ended:
            return  # never applied: the next worker folds it again
        self._entered += 1
        self._entries.append(entry)
        if len(self._entries) >= MAX_WAITING:
            self._has_capacity.clear()
        self._wake.set()

    # What the consumer calls:

    async def flush(self) -> None:
        """Return once every state that is dirty now, and every batch that was entered, is written and acknowledged.

        Raises:
            WriteAborted: it was given up, and everything that was not acknowledged with it.
        """
        flush = _Flush(asyncio.get_running_loop().create_future())
        for number in self._partitions:
            if keys := self._partitions[number].dirty():
                flush.keys[number] = deque(keys)
        if not flush.keys and not self._entries and not self._busy:
            return
        if self.should_stop or self._ended:
            raise WriteAborted("the worker is stopping")
        self._flushes.append(flush)
        self._wake.set()
        await flush.done

    def committed(self, offsets: Mapping[TP, int | None]) -> None:
        """Note what is committed by now: what lies before it is never read again.

        Enters as much of what was deferred as a round takes; the rest waits for the next call.
        """
        for _ in range(min(len(self._deferred), MAX_WAITING)):
            first = self._deferred[0]
            if self._written < first.behind:
                return
            if any((offsets.get(tp) or 0) < offset for tp, offset in first.until.items()):
                return
            self._deferred.popleft()
            conclusion = first.conclude()
            if first.batch is not None:
                self.submit(first.batch, urgent=conclusion.urgent, effects=conclusion.effects)
            elif conclusion.urgent or conclusion.effects is not None:
                self.submit_change(first.number, urgent=conclusion.urgent, effects=conclusion.effects)

    def forget_deferred(self) -> None:
        """Drop what was deferred: the partitions are assigned anew, and it is read again."""
        self._deferred.clear()

    # The rounds:

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
                except Exception as error:  # a defect, or a broker that refuses for good: end, to be restarted
                    self._ended = True
                    self._discard_uncommitted(WriteAborted(repr(error)))
                    await self._on_defect(error)
                    return
                finally:
                    self._busy = False

    async def on_stop(self) -> None:
        """Leave nobody waiting."""
        if self._entries or self._flushes:
            self._discard_uncommitted(WriteAborted("the worker is stopping"))

    async def _write_checkpoint(self) -> None:
        entries = [self._entries.popleft() for _ in range(len(self._entries))]
        self._has_capacity.set()
        flush = self._flushes[0] if self._flushes else None
        consumer = self._consumer()
        started = time.perf_counter()
        changes = self._encode(entries, flush)
        writes = [
            Write(self._changelog, number, [(key, packed, []) for key, packed in changed])
            for number, changed in changes.items()
        ]
        effects = [each.effects for each in entries if each.effects is not None]
        if effects and self._publish_first is not None:
            await self._publish_first(effects)
        ends = await self._producer.deliver(writes)
        for number, changed in changes.items():
            self._partitions[number].written(changed, ends[self._changelog, number])
        stated = time.perf_counter()
        if effects:
            await self._publish(effects)
        self._written += len(entries)
        for entry in entries:
            if entry.batch is not None:
                consumer.positions.apply(entry.batch)
        if flush is not None and not flush.keys:
            self._flushes.popleft()
            self._partitions.evict_clean()
            if not flush.done.done():
                flush.done.set_result(None)
        written = sum(map(len, changes.values()))
        self._on_checkpoint(Checkpoint(len(entries), written, stated - started, time.perf_counter() - stated))

    def _encode(
        self, entries: Sequence[_Entry[E]], flush: _Flush | None
    ) -> dict[int, list[tuple[bytes, bytes | None]]]:
        """Return changelog records by partition: of the urgent keys, and of the next slice of a flush."""
        keys: dict[int, list[bytes]] = {}
        for entry in entries:
            if entry.urgent:
                keys.setdefault(entry.number, []).extend(entry.urgent)
        room = FLUSH_SLICE
        while flush is not None and flush.keys and room:
            number, waiting = next(iter(flush.keys.items()))
            slice_ = [waiting.popleft() for _ in range(min(room, len(waiting)))]
            keys.setdefault(number, []).extend(slice_)
            room -= len(slice_)
            if not waiting:
                del flush.keys[number]
        encoded = {number: self._partitions[number].encode(each) for number, each in keys.items()}
        return {number: changes for number, changes in encoded.items() if changes}

    def _discard_uncommitted(self, reason: WriteAborted) -> None:
        """Forget what is not acknowledged: whoever has the partitions next folds it again."""
        self.log.info("gave up what was not written; it is folded again: %s", reason)
        self._entries.clear()
        self._deferred.clear()
        self._written = self._entered
        self._has_capacity.set()
        self._partitions.roll_back()
        self._consumer().discard_uncommitted()
        while self._flushes:
            done = self._flushes.popleft().done
            if not done.done():
                done.set_exception(reason)
