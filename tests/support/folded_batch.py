"""A table of packed states into which a test folds batches of records."""

import json
from dataclasses import dataclass
from typing import Any

from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.inputs import Source
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment
from bannerstream.streams.affinity import Catalogue, UserState, pack, unpack
from bannerstream.streams.batch import Rules, fold_batch
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.outcome import BatchOutcome
from tests.support.shop import DAY, NOON, POLICY, catalogue

SECRET = b"sixteen bytes at least"

RULES = Rules(POLICY, SECRET, {"clicks": "auto", "purchases": "auto"}, max_future_ms=300_000, max_age_ms=400 * DAY)

CATALOGUE = catalogue()


@dataclass(frozen=True)
class Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def record(offset: int, user: str = "ada", **changes: Any) -> Record:
    """Return the record of an event, which arrives a second after noon, or when it happened in the minutes after."""
    event = {"event_id": f"e-{offset}", "user_id": user, "product_id": "mug", "time": NOON + offset}
    key = changes.pop("key", user.encode())
    value = changes.pop("value", None)
    arrived = changes.pop("arrived", None)
    if value is None:
        event |= changes
        value = json.dumps(event).encode()
    if arrived is None:
        time = event["time"]
        arrived = time if isinstance(time, int) and 1_000 < time - NOON <= RULES.max_future_ms else NOON + 1_000
    return Record(offset, arrived, key, value)


class Table(dict[bytes, bytes]):
    """Packed states, as in the changelog. Rounds take whatever they can, however few events there are."""

    def run(
        self, *records: Record, topic: Source = "clicks", shop: Catalogue = CATALOGUE, smallest_round: int = 1
    ) -> BatchOutcome:
        states = ColumnarStates(RULES.policy)
        states.apply(self.items(), len(self))
        outcome = fold_batch(topic, topic, 0, records, states, shop, RULES, NOON + 2_000, smallest_round=smallest_round)
        changes = states.encode(states.dirty())
        self.update({key: in_order(packed) for key, packed in changes if packed is not None})
        self.written = {key for key, _ in changes}
        return outcome

    def state(self, user: str) -> UserState:
        return unpack(self[at(user)])


def in_order(packed: bytes) -> bytes:
    """Return the same state with its scores and offsets in one order: theirs means nothing, and rows do not keep it."""
    state = unpack(packed)
    state.scores = dict(sorted(state.scores.items()))
    state.offsets = dict(sorted(state.offsets.items()))
    return pack(state)


def assignments_of(outcome: BatchOutcome) -> dict[bytes, Assignment]:
    """Return the assignments of an outcome as objects, by user key."""
    decoded = {key: decode(value, Assignment) for key, (value, _, _) in outcome.assignments.items()}
    for key, (value, epoch, decided_at) in outcome.assignments.items():
        assignment = decoded[key]
        assert (key.decode(), epoch, decided_at) == (assignment.user_key, assignment.epoch, assignment.decided_at)
        assert value == encode(assignment)
    return decoded


def at(user: str) -> bytes:
    return user_key(user, SECRET).encode()
