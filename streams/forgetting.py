"""Forgetting visitors: those who asked for it, and those who have not come for long.

Erasing takes two steps, because a tombstone takes the applied offsets with it: an event that may still be read again
would then count anew, and bring its visitor back. So the state first becomes a grave, which holds offsets and nothing
of the visitor. Once everything that was read before is committed, the grave gives way to the tombstone, the visitor's
assignment is deleted, and only then may the erasure itself be committed: whatever dies in between, it comes again.
"""

import asyncio
from collections.abc import Iterator

import structlog

from contracts.codecs import decode
from contracts.deadletters import DeadLetter
from contracts.errors import InvalidRecord
from contracts.keys import UserKeys
from contracts.messages import Erasure
from streams.affinity import UserState, seen_at_of
from streams.batch import Outcome
from streams.batching import Batch, BatchApp, Conclusion, Partition
from streams.errors import BrokenState

_log = structlog.stdlib.get_logger(__name__)

_DAY_MS = 86_400_000

SWEEP_SLICE = 5_000
"""States that a sweep looks at before it lets others run: about 3 ms."""

FORGET_SLICE = 1_000
"""Visitors whose tombstones go in one round."""


def grave_of(state: UserState) -> UserState:
    """Return what is left of a state: which events are applied, and the epoch, which must not run backwards."""
    return UserState(state.half_life_ms, epoch=state.epoch, offsets=state.offsets)


def is_grave(state: UserState) -> bool:
    """Tell whether nothing came after the erasure."""
    return not state.landmark and state.decision is None


class Eraser:
    """Folds `users.erasures`."""

    def __init__(self, app: BatchApp, topic: str, user_keys: UserKeys) -> None:
        self._app = app
        self._topic = topic
        self._user_keys = user_keys

    def fold(self, batch: Batch, states: Partition[UserState], now: int) -> None:
        """Turn the states of everybody who is to be forgotten into graves, and defer the rest."""
        asked: list[bytes] = []
        letters: list[DeadLetter] = []
        for record in batch.records:
            try:
                user_id = decode(record.value or b"", Erasure).user_id
            except InvalidRecord as error:
                letters.append(
                    DeadLetter.of(
                        key=record.key,
                        value=record.value,
                        topic=batch.tp.topic,
                        partition=batch.tp.partition,
                        offset=record.offset,
                        code=error.code,
                        reason=str(error),
                        now=now,
                    )
                )
                continue
            key = self._user_keys[user_id]
            if self._bury(key, states):
                asked.append(key)
        self._user_keys.clear()  # they remember ids
        positions = self._app.batch_consumer.positions
        read = {
            tp: wanted
            for tp in positions.applied()
            if tp.partition == batch.tp.partition
            and tp.topic != self._topic
            and (wanted := positions.wanted(tp)) is not None
        }
        self._app.ledger.defer(batch, read, lambda: _conclude(asked, letters, states))

    @staticmethod
    def _bury(key: bytes, states: Partition[UserState]) -> bool:
        """Put a grave in a state's place; False if there is no state here, so that another partition may have it."""
        try:
            state = states.get(key)
        except BrokenState:
            state = UserState(1)  # unreadable, so nothing in it can be kept: its events may count again
        if state is None:
            return False
        states.put(key, grave_of(state))
        return True


def _conclude(asked: list[bytes], letters: list[DeadLetter], states: Partition[UserState]) -> Conclusion[Outcome]:
    """Remove the graves, and the assignments of everybody who has not come back with a new one meanwhile."""
    graves = [key for key in asked if (state := states.get(key)) is not None and is_grave(state)]
    undecided = [key for key in asked if (state := states.get(key)) is None or state.decision is None]
    for key in graves:
        states.remove(key)
    return Conclusion(urgent=graves, effects=Outcome(forgotten=undecided, dead_letters=letters))


class IdleSweep:
    """Forgets visitors of a partition whose latest event is too old. Looks once a day, by the events' time."""

    def __init__(self, app: BatchApp, forget_after_ms: int) -> None:
        self._app = app
        self._forget_after_ms = forget_after_ms
        self._swept_at: dict[int, int] = {}

    def maybe(self, batch: Batch, states: Partition[UserState]) -> None:
        """Start a sweep of the batch's partition, if the last one is a day ago."""
        if not batch.records:
            return
        now = batch.records[-1].timestamp
        number = batch.tp.partition
        if now - self._swept_at.get(number, -_DAY_MS) >= _DAY_MS:
            self._swept_at[number] = now
            self._app.add_future(self._sweep(number, states, now - self._forget_after_ms))

    async def _sweep(self, number: int, states: Partition[UserState], horizon: int) -> None:
        idle: list[bytes] = []
        for count, (key, packed) in enumerate(states.at_rest.items()):
            if seen_at_of(packed) < horizon:
                idle.append(key)
            if count % SWEEP_SLICE == SWEEP_SLICE - 1:
                await asyncio.sleep(0)
        forgotten = 0
        for keys in _sliced(idle, FORGET_SLICE):
            await self._app.ledger.room()
            if self._app.written.partitions_here.find(number) is not states:
                return  # it went to another worker, who will sweep it
            gone = [key for key in keys if (state := states.get(key)) is not None and state.seen_at < horizon]
            for key in gone:
                states.remove(key)
            self._app.ledger.enter_between(number, urgent=gone, effects=Outcome(forgotten=gone))
            forgotten += len(gone)
        if forgotten:
            _log.info("forgot visitors who have not come for long", visitors=forgotten, partition=number)


def _sliced(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
