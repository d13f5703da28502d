"""Forgetting visitors: those who erased for it, and those who have not come for long.

It takes two steps, because a tombstone takes the applied offsets with it: an event that may still be read again would
then count anew, and bring its visitor back. So the state first becomes a grave, which holds offsets and nothing of the
visitor, and the visitor's assignment is deleted. Once everything that was read before is committed, the grave gives way
to the tombstone; only then may an erasure itself be committed. Whatever dies in between, the erasure comes again, or
the next sweep finds the grave: until it is gone, somebody knows that its assignment is to be deleted.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping

import structlog
from faust.types import TP

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.messages import Erasure
from bannerstream.streams.affinity import UserState, seen_at_of
from bannerstream.streams.batch import BatchOutcome, letter_of
from bannerstream.streams.batching import Batch, BatchApp, Conclusion, Partition
from bannerstream.streams.errors import BrokenState
from bannerstream.streams.metrics import StreamsMetrics

_log = structlog.stdlib.get_logger(__name__)

_DAY_MS = 86_400_000

SWEEP_SLICE = 5_000
"""States that a sweep looks at before it lets others run: about 3 ms."""

FORGET_SLICE = 1_000
"""Visitors who are marked in one round."""


def erasure_marker_of(state: UserState) -> UserState:
    """Return what is left of a state: which events are applied, and the epoch, which must not run backwards."""
    return UserState(state.half_life_ms, epoch=state.epoch, offsets=state.offsets)


def is_erasure_marker(state: UserState) -> bool:
    """Tell whether nothing came after the burial."""
    return not state.landmark and state.decision is None


class ErasureProcessor:
    """Folds `users.erasures`."""

    def __init__(self, app: BatchApp, topic: str, user_keys: UserKeys, metrics: StreamsMetrics) -> None:
        self._app = app
        self._topic = topic
        self._user_keys = user_keys
        self._metrics = metrics

    def fold(self, batch: Batch, states: Partition[UserState], now: int) -> None:
        """Bury everybody who is to be forgotten, and defer the rest. `now`: of the dead letters, epoch milliseconds."""
        erased: dict[bytes, None] = {}
        letters: list[DeadLetter] = []
        for record in batch.records:
            try:
                user_id = decode(record.value or b"", Erasure).user_id
            except InvalidRecord as error:
                letters.append(letter_of(record, *batch.tp, error, now))
                continue
            key = self._user_keys[user_id]
            if key not in erased and self._mark_erased(key, states):
                erased[key] = None
        self._user_keys.clear()  # they remember ids
        checkpointer = self._app.checkpointer
        if erased:
            checkpointer.submit_change(batch.tp.partition, urgent=erased, effects=BatchOutcome(forgotten=list(erased)))
        checkpointer.defer(
            batch,
            _read_so_far(self._app, batch.tp.partition, self._topic),
            lambda: _conclude(erased, states, BatchOutcome(dead_letters=letters) if letters else None),
        )

    def _mark_erased(self, key: bytes, states: Partition[UserState]) -> bool:
        """Put a grave in a state's place; False if there is no state here, so that another partition may have it."""
        state = _state_or_blank(key, states)
        if state is None:
            return False
        if not is_erasure_marker(state):
            self._metrics.forgotten.labels("erased").inc()
        states.put(key, erasure_marker_of(state))
        return True


def _state_or_blank(key: bytes, states: Partition[UserState]) -> UserState | None:
    try:
        return states.get(key)
    except BrokenState:
        return UserState(1)  # nothing in it can be kept, not even its offsets: its events may count again


def _read_so_far(app: BatchApp, partition: int, erasures: str) -> Mapping[TP, int]:
    """Return, of each topic of events, the offset before which everything of a partition has been folded."""
    positions = app.batch_consumer.positions
    return {
        tp: next_offset
        for tp in positions.applied()
        if tp.partition == partition and tp.topic != erasures and (next_offset := positions.next_offset(tp)) is not None
    }


def _conclude(
    marked: Collection[bytes], states: Partition[UserState], effects: BatchOutcome | None = None
) -> Conclusion[BatchOutcome]:
    """Remove the markers of everybody who has not come back meanwhile."""
    markers = [key for key in marked if (state := states.get(key)) is not None and is_erasure_marker(state)]
    for key in markers:
        states.remove(key)
    return Conclusion(urgent=markers, effects=effects)


class IdleSweep:
    """Forgets visitors of a partition whose latest event is too old. Looks once a day."""

    def __init__(self, app: BatchApp, erasures: str, forget_after_ms: int, metrics: StreamsMetrics) -> None:
        self._app = app
        self._erasures = erasures
        self._forget_after_ms = forget_after_ms
        self._metrics = metrics
        self._swept_at_ms: dict[int, int] = {}

    def sweep_if_due(self, batch: Batch, states: Partition[UserState], now: int) -> None:
        """Start a sweep of the batch's partition, if the last one is a day ago. `now`: epoch milliseconds.

        By the records' time, so that a backlog is not taken for idleness; never by a later time than `now`: one
        producer with a wrong clock would have everybody forgotten.
        """
        if not batch.records:
            return
        now = min(now, batch.records[-1].timestamp)
        partition = batch.tp.partition
        if now - self._swept_at_ms.get(partition, -_DAY_MS) >= _DAY_MS:
            self._swept_at_ms[partition] = now
            self._app.add_future(self._sweep(partition, states, now - self._forget_after_ms))

    async def _sweep(self, partition: int, states: Partition[UserState], horizon_ms: int) -> None:
        if self._is_over(partition, states):
            return
        idle: list[bytes] = []
        for count, (key, packed) in enumerate(states.packed_store.items()):
            if _is_idle(packed, horizon_ms):
                idle.append(key)
            if count % SWEEP_SLICE == SWEEP_SLICE - 1:
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
            _log.info("forgot visitors who have not come for long", visitors=forgotten, partition=partition)

    def _is_over(self, partition: int, states: Partition[UserState]) -> bool:
        """Tell whether the partition is, or may be, another worker's; whoever has it after this begins anew."""
        if not self._app.rebalancing and self._app.written.partitions_here.find(partition) is states:
            return False
        self._swept_at_ms.pop(partition, None)
        return True

    def _mark_erased(self, partition: int, keys: list[bytes], states: Partition[UserState], horizon_ms: int) -> int:
        """Bury those of the visitors who are idle still, defer their tombstones, and return how many are new here."""
        marked: list[bytes] = []
        new = 0
        for key in keys:
            state = _state_or_blank(key, states)
            if state is None or state.seen_at >= horizon_ms:
                continue
            new += not is_erasure_marker(state)
            states.put(key, erasure_marker_of(state))
            marked.append(key)
        if marked:
            checkpointer = self._app.checkpointer
            checkpointer.submit_change(partition, urgent=marked, effects=BatchOutcome(forgotten=marked))
            read = _read_so_far(self._app, partition, self._erasures)
            checkpointer.defer_change(partition, read, lambda: _conclude(marked, states))
        return new


def _is_idle(packed: bytes, horizon_ms: int) -> bool:
    try:
        return seen_at_of(packed) < horizon_ms
    except BrokenState:
        return False  # its visitor's events tell of it; nobody knows how old it is


def _sliced(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
