"""From user keys to rows: open addressing over the first bytes of the keys, which are hashes already."""

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
"""Shape (n, 2): the 16 bytes of each user key."""
RowNumbers = npt.NDArray[np.int32]

_FREE, _DELETED = -1, -2
_FIRST_SLOTS = 1 << 12
MAX_LOAD = 0.6
"""Taken slots of all: beyond this, lookups probe twice as often, and the index doubles. 7 to 13 bytes a visitor."""


class KeyIndex:
    """Row numbers by user key. The keys themselves are read from the rows: `keys` is their column."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget every key."""
        self._slots = np.full(_FIRST_SLOTS, _FREE, np.int32)
        self._taken = 0

    @property
    def nbytes(self) -> int:
        """Return the memory that the slots take."""
        return self._slots.nbytes

    def find(self, wanted: Keys, keys: Keys) -> RowNumbers:
        """Return the row of each wanted key, or -1."""
        slots = self._slots
        found = np.full(len(wanted), -1, np.int32)
        places, todo = self._places(wanted), np.arange(len(wanted))
        while len(todo):
            rows = slots[places]
            known = rows != _FREE
            if not known.all():
                todo, rows, places = todo[known], rows[known], places[known]
            hit = (keys[rows] == wanted[todo]).all(1) & (rows >= 0)
            found[todo[hit]] = rows[hit]
            todo, places = todo[~hit], (places[~hit] + 1) & (len(slots) - 1)
        return found

    def has_room(self, count: int) -> bool:
        """Return whether `count` more keys may be inserted before the index is built again."""
        return self._taken + count <= MAX_LOAD * len(self._slots)

    def rebuild(self, rows: RowNumbers, keys: Keys, count: int) -> None:
        """Build the index of these rows, with room for `count` more."""
        size = _FIRST_SLOTS
        while MAX_LOAD * size < len(rows) + count:
            size *= 2
        self._slots = np.full(size, _FREE, np.int32)
        self._taken = 0
        self.insert(rows, keys)

    def insert(self, rows: RowNumbers, keys: Keys) -> None:
        """Insert rows whose keys differ and are not in the index, which has room for them."""
        slots = self._slots
        places, todo = self._places(keys[rows]), rows
        while len(todo):
            free = slots[places] == _FREE
            slots[places[free]] = todo[free]  # where several meet, the last one wins and the others probe on
            left = slots[places] != todo
            todo, places = todo[left], (places[left] + 1) & (len(slots) - 1)
        self._taken += len(rows)

    def remove(self, rows: RowNumbers, keys: Keys) -> None:
        """Remove rows that are in the index."""
        slots = self._slots
        places, todo = self._places(keys[rows]), rows
        while len(todo):
            hit = slots[places] == todo
            slots[places[hit]] = _DELETED
            todo, places = todo[~hit], (places[~hit] + 1) & (len(slots) - 1)

    def _places(self, keys: Keys) -> npt.NDArray[np.int64]:
        return (keys[:, 0] & np.uint64(len(self._slots) - 1)).astype(np.int64)
