"""Erases visitors: those who requested it, and those who have been idle for long.

Erasure takes two steps, because a tombstone also removes the applied offsets: an event that may still be read again
would then count twice and bring its visitor back. So an erasure marker first replaces the state; it keeps the offsets
and nothing of the visitor, and the visitor's assignment is deleted. Once all earlier events are committed, a tombstone
replaces the marker; only then may the erasure itself be committed. After a crash in between, the erasure is read again,
or the next sweep finds the marker: it stays until its assignment is deleted.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence

import structlog
from faust.types import TP

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.messages import Erasure
from bannerstream.streams.affinity import UserState
from bannerstream.streams.batching import Batch, BatchApp, Conclusion
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.input_records import letter_of
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.outcome import BatchOutcome

_log = structlog.stdlib.get_logger(__name__)

_DAY_MS = 86_400_000

FORGET_SLICE = 1_000
"""Visitors marked in one checkpoint."""


def erasure_marker_of(state: UserState) -> UserState:
    """Return what remains of a state: the applied offsets, and the epoch, which must not run backwards."""
    return UserState(state.half_life_ms, epoch=state.epoch, offsets=state.offsets)


def is_erasure_marker(state: UserState) -> bool:
    """Return whether the state is an erasure marker and no event came after it."""
    return not state.landmark_ms and state.decision is None


class ErasureProcessor:
    """Folds the topic of erasures."""

    def __init__(self, app: BatchApp, topic: str, user_keys: UserKeys, metrics: StreamsMetrics) -> None:
        self._app = app
        self._topic = topic
        self._user_keys = user_keys
        self._metrics = metrics

    def fold(self, batch: Batch, states: ColumnarStates, now_ms: int) -> None:
        """Mark every visitor of the batch as erased, and defer the tombstones. `now_ms` dates the dead letters."""
        requested: dict[bytes, None] = {}
        letters: list[DeadLetter] = []
        for record in batch.records:
            try:
                user_id = decode(record.value or b"", Erasure).user_id
            except InvalidRecord as error:
                letters.append(letter_of(record, *batch.tp, error, now_ms))
                continue
            requested[self._user_keys[user_id]] = None
        self._user_keys.clear()  # the cache holds user ids
        erased = self._mark_erased(list(requested), states)
        checkpointer = self._app.checkpointer
        if erased:
            checkpointer.submit_change(batch.tp.partition, urgent=erased, effects=BatchOutcome(forgotten=erased))
        checkpointer.defer(
            batch,
            _read_so_far(self._app, batch.tp.partition, self._topic),
            lambda: _conclude(erased, states, BatchOutcome(dead_letters=letters) if letters else None),
        )

    def _mark_erased(self, keys: Sequence[bytes], states: ColumnarStates) -> list[bytes]:
        """Replace states by erasure markers; return the keys of those visitors whom this partition knows."""
        found = _states_or_blanks(keys, states)
        self._metrics.forgotten.labels("erased").inc(sum(not is_erasure_marker(state) for state in found.values()))
        states.put_all(list(found), list(map(erasure_marker_of, found.values())))
        return list(found)


def _states_or_blanks(keys: Sequence[bytes], states: ColumnarStates) -> dict[bytes, UserState]:
    """Return the states of these visitors; a blank one for a state that cannot be read: even its offsets are lost."""
    return {key: state if isinstance(state, UserState) else UserState(1) for key, state in states.get_all(keys).items()}


def _read_so_far(app: BatchApp, partition: int, erasures: str) -> Mapping[TP, int]:
    """Return, for each topic of events, the offset up to which this partition has been folded (exclusive)."""
    positions = app.batch_consumer.positions
    return {
        tp: next_offset
        for tp in positions.applied()
        if tp.partition == partition and tp.topic != erasures and (next_offset := positions.next_offset(tp)) is not None
    }


def _conclude(
    marked: Collection[bytes], states: ColumnarStates, effects: BatchOutcome | None = None
) -> Conclusion[BatchOutcome]:
    """Remove the erasure markers of visitors who have not come back meanwhile."""
    found = states.get_all(list(marked))
    markers = [key for key, state in found.items() if isinstance(state, UserState) and is_erasure_marker(state)]
    states.remove_all(markers)
    return Conclusion(urgent=markers, effects=effects)


class IdleSweep:
    """Erases visitors whose latest event is too old. Sweeps each partition once a day."""

    def __init__(self, app: BatchApp, erasures: str, forget_after_ms: int, metrics: StreamsMetrics) -> None:
        self._app = app
        self._erasures = erasures
        self._forget_after_ms = forget_after_ms
        self._metrics = metrics
        self._swept_at_ms: dict[int, int] = {}

    def sweep_if_due(self, batch: Batch, states: ColumnarStates, now_ms: int) -> None:
        """Start a sweep of the batch's partition if the last one was a day ago. `now_ms`: epoch milliseconds.

        Uses the records' time, so that a backlog does not count as idleness, but never a time after `now_ms`: one
        producer with a wrong clock would erase everybody.
        """
        if not batch.records:
            return
        now_ms = min(now_ms, batch.records[-1].timestamp)
        partition = batch.tp.partition
        if now_ms - self._swept_at_ms.get(partition, -_DAY_MS) >= _DAY_MS:
            self._swept_at_ms[partition] = now_ms
            self._app.add_future(self._sweep(partition, states, now_ms - self._forget_after_ms))

    async def _sweep(self, partition: int, states: ColumnarStates, horizon_ms: int) -> None:
        if self._is_over(partition, states):
            return
        idle: list[bytes] = []
        for found in states.idle(horizon_ms):
            idle += found
            await asyncio.sleep(0)
            if self._is_over(partition, states):
                return
        forgotten = 0
        for keys in _sliced(idle, FORGET_SLICE):
            await self._app.checkpointer.wait_for_capacity()
            if self._is_over(partition, states):
                return
            forgotten += self._mark_erased(partition, keys, states, horizon_ms)
        if forgotten:
            self._metrics.forgotten.labels("idle").inc(forgotten)
            _log.info("erased idle visitors", visitors=forgotten, partition=partition)

    def _is_over(self, partition: int, states: ColumnarStates) -> bool:
        """Return whether the partition was, or may be, reassigned; its next owner starts its own sweep."""
        if not self._app.rebalancing and self._app.written.partitions_here.find(partition) is states:
            return False
        self._swept_at_ms.pop(partition, None)
        return True

    def _mark_erased(self, partition: int, keys: list[bytes], states: ColumnarStates, horizon_ms: int) -> int:
        """Mark visitors who are still idle, defer their tombstones, and return how many had no marker yet."""
        found = _states_or_blanks(keys, states)
        idle = {key: state for key, state in found.items() if state.seen_at_ms < horizon_ms}
        marked = list(idle)
        if marked:
            states.put_all(marked, list(map(erasure_marker_of, idle.values())))
            checkpointer = self._app.checkpointer
            checkpointer.submit_change(partition, urgent=marked, effects=BatchOutcome(forgotten=marked))
            read = _read_so_far(self._app, partition, self._erasures)
            checkpointer.defer_change(partition, read, lambda: _conclude(marked, states))
        return sum(not is_erasure_marker(state) for state in idle.values())


def _sliced(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
