"""A table of packed states into which a test folds batches of records."""

import json
from dataclasses import dataclass
from typing import Any

from bannerstream.contracts.inputs import Source
from bannerstream.contracts.keys import user_key
from bannerstream.streams.affinity import Catalogue, UserState, pack, unpack
from bannerstream.streams.batch import BatchOutcome, Rules, fold_batch
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
    """Packed states, as in the changelog; decoded ones live for one batch."""

    def run(self, *records: Record, topic: Source = "clicks", shop: Catalogue = CATALOGUE) -> BatchOutcome:
        states = States(self)
        outcome = fold_batch(topic, topic, 0, records, states, shop, RULES, NOON + 2_000)
        self.update({key: pack(state) for key, state in states.dirty.items()})
        self.written = set(states.dirty)
        return outcome

    def state(self, user: str) -> UserState:
        return unpack(self[at(user)])


class States:
    """Returns each visitor's state as the one object that the last `put` stored."""

    def __init__(self, packed: dict[bytes, bytes]) -> None:
        self.packed = packed
        self.live: dict[bytes, UserState] = {}
        self.dirty: dict[bytes, UserState] = {}

    def get(self, key: bytes) -> UserState | None:
        if key not in self.live and key in self.packed:
            self.live[key] = unpack(self.packed[key])
        return self.live.get(key)

    def put(self, key: bytes, state: UserState) -> None:
        self.live[key] = self.dirty[key] = state


def at(user: str) -> bytes:
    return user_key(user, SECRET).encode()
