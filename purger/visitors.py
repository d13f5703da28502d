"""Each visitor's assigned and shown banner: 28 bytes a slot, a million visitors in 59 MB. Pure: no I/O, no clock.

An open-addressing hash table in numpy columns. User keys are keyed hashes, so part of the key serves as the hash.
At most two of three slots are used and the capacity doubles: 42 to 84 bytes a visitor (126 while a full
table is copied into a larger one); a dict of dataclasses takes 300. Finding a banner's visitors scans one column, which
takes milliseconds and is needed only when a banner becomes ready.
"""

from dataclasses import dataclass

import numpy as np

from bannerstream.contracts.errors import MalformedRecord

NO_BANNER = 0
"""The banner number that stands for no banner."""

MAX_EPOCH = 2**32 - 1
"""Highest epoch: one decision a second for 136 years."""

_LEAST_CAPACITY = 1024
_HALF = 2**64 - 1

_Row = tuple[int, int, int, int, int]
"""Upper and lower half of the key, epoch, assigned, shown."""


@dataclass(frozen=True, slots=True)
class VisitorState:
    """One visitor's state; banners by number."""

    epoch: int
    assigned: int
    shown: int
    """The last assigned banner that was ready, or NO_BANNER."""


class Visitors:
    """Visitors by user key (32 hex digits)."""

    def __init__(self) -> None:
        self._count = 0
        self._allocate(_LEAST_CAPACITY)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Return the size of the table in bytes."""
        return sum(column.nbytes for column in self._columns)

    def get(self, user_key: str) -> VisitorState | None:
        """Return a visitor's state, or None."""
        slot = self._slot(*_halves(user_key))
        if not self._epoch[slot]:
            return None
        return VisitorState(self._epoch[slot], self._assigned[slot], self._shown[slot])

    def put(self, user_key: str, visitor: VisitorState) -> None:
        """Set a visitor's state.

        Raises:
            MalformedRecord: the epoch is not within 1 to MAX_EPOCH.
        """
        if not 1 <= visitor.epoch <= MAX_EPOCH:
            raise MalformedRecord(f"an epoch must be between 1 and {MAX_EPOCH}, not {visitor.epoch}")
        high, low = _halves(user_key)
        slot = self._slot(high, low)
        if not self._epoch[slot]:
            if 3 * (self._count + 1) > 2 * len(self._epoch):
                self._grow()
                slot = self._slot(high, low)
            self._count += 1
        self._set(slot, (high, low, visitor.epoch, visitor.assigned, visitor.shown))

    def forget(self, user_key: str) -> None:
        """Remove a visitor and their key; an unknown visitor is not an error."""
        slot = self._slot(*_halves(user_key))
        if not self._epoch[slot]:
            return
        self._count -= 1
        # Backward shift (Knuth, TAOCP vol. 3, 6.4, algorithm R): a deletion marker would keep the erased visitor's key.
        hole, probe = slot, slot
        while True:
            probe = (probe + 1) & self._mask
            if not self._epoch[probe]:
                break
            home = self._low[probe] & self._mask
            if (probe - home) & self._mask >= (probe - hole) & self._mask:
                self._set(hole, self._row(probe))
                hole = probe
        self._set(hole, (0, 0, 0, NO_BANNER, NO_BANNER))

    def show_assigned(self, banner: int) -> list[str]:
        """Show a banner to all visitors to whom it is assigned; return their keys."""
        _, _, _, assigned, shown = self._columns
        slots = np.flatnonzero(assigned == banner)
        shown[slots] = banner
        return self._keys(slots)

    def showing(self, banner: int) -> list[str]:
        """Return the keys of all visitors who see a banner."""
        return self._keys(np.flatnonzero(self._columns[4] == banner))

    def _keys(self, slots: "np.typing.NDArray[np.intp]") -> list[str]:
        high, low = self._columns[0][slots].tolist(), self._columns[1][slots].tolist()
        return [f"{first:016x}{second:016x}" for first, second in zip(high, low, strict=True)]

    def _slot(self, high: int, low: int) -> int:
        """Return the slot that holds a key, or the free slot where it belongs."""
        slot = low & self._mask
        while self._epoch[slot] and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & self._mask
        return slot

    def _row(self, slot: int) -> _Row:
        return self._high[slot], self._low[slot], self._epoch[slot], self._assigned[slot], self._shown[slot]

    def _set(self, slot: int, row: _Row) -> None:
        self._high[slot], self._low[slot], self._epoch[slot], self._assigned[slot], self._shown[slot] = row

    def _grow(self) -> None:
        rows = zip(*(column[self._columns[2] > 0].tolist() for column in self._columns), strict=True)
        self._allocate(2 * len(self._epoch))
        for row in rows:
            self._set(self._slot(row[0], row[1]), row)

    def _allocate(self, capacity: int) -> None:
        self._columns = (
            np.zeros(capacity, np.uint64),
            np.zeros(capacity, np.uint64),
            np.zeros(capacity, np.uint32),
            np.zeros(capacity, np.uint32),
            np.zeros(capacity, np.uint32),
        )
        # Access to one number takes a third of the time through a memoryview.
        self._high, self._low, self._epoch, self._assigned, self._shown = (column.data for column in self._columns)
        self._mask = capacity - 1


def _halves(user_key: str) -> tuple[int, int]:
    key = int(user_key, 16)
    return key >> 64, key & _HALF
