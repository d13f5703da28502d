"""The states of one partition: rows where possible, long form elsewhere, and what the changelog lacks of both."""

from binascii import hexlify
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from bannerstream.streams.affinity import Catalogue, Decision, Policy, UserState, pack, seen_at_ms_of, unpack
from bannerstream.streams.affinity.state import decision_of
from bannerstream.streams.batching.store import MemoryStore, PackedStore
from bannerstream.streams.columnar.changelog_values import Reader, key_array, long_form, readable_keys, split_rows
from bannerstream.streams.columnar.key_index import KeyIndex, Keys, RowNumbers
from bannerstream.streams.columnar.layout import (
    LAYOUT,
    NO_PRODUCT,
    STATE_VERSION,
    Changes,
    Columns,
    Products,
    Shape,
    shape_for,
)
from bannerstream.streams.columnar.rows import Rows, converted, new_rows, rows_of, states_of, store, times_in
from bannerstream.streams.columnar.shop_columns import ShopColumns
from bannerstream.streams.errors import BrokenState

Version = Literal[2, 3]
Current = list[tuple[bytes, Decision]]
"""Visitors' keys with their decisions."""

_SEGMENT = 1 << 13
"""The array grows by this many rows at least, and by an eighth: doubling would hold up to twice of what is used."""
ROW_SLICE, SWEEP_SLICE = 50_000, 5_000
"""Rows, and packed states, that a sweep checks at once: some 3 ms."""

_CLEAN, _DIRTY, _SENT, _VACANT = 0, 1, 2, 3


class ColumnarStates:
    """A `batching.StateStore` of visitors' states. User keys are 32 hex digits, as elsewhere, or 16 bytes (`Keys`).

    A state is a row, or, where it does not fit into one, in long form in the packed store. A packed store on disk
    (`durable`) holds the acknowledged value of every state, and the rows are a cache over it; one in memory holds only
    states that are no rows. Then a roll-back clears everything, and the recovery that follows reads the changelog.
    """

    def __init__(
        self, policy: Policy, packed_store: PackedStore | None = None, *, durable: bool = False, version: Version = 2
    ) -> None:
        self.packed_store = MemoryStore() if packed_store is None else packed_store
        self._durable = durable
        self._version = version
        self._policy = policy
        self._begin()
        if durable:
            self._read_layout()

    def _begin(self) -> None:
        self.products = Products()
        self.columns = Columns(shape_for(self._policy))
        self._reader = Reader(self.products)
        self.rows: Rows = new_rows(self.columns, 0)
        self._marks: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        """The condition of each row: acknowledged, dirty, on its way to the changelog, or vacant."""
        self._end = 0
        """Rows from here on were never used."""
        self._vacant: list[int] = []
        self._index = KeyIndex()
        self._shop: ShopColumns | None = None
        self._shape_unwritten = True
        self._forget_long()

    def _forget_long(self) -> None:
        self._long: dict[bytes, UserState] = {}
        """Decoded states in long form that are dirty, or on their way to the changelog."""
        self._long_dirty: dict[bytes, None] = {}
        """An ordered set, of removed keys too."""
        self._removed: set[bytes] = set()
        self._long_sent: set[bytes] = set()
        self._in_flight = 0
        self._rows_sent: list[RowNumbers] = []
        self._layout_in_flight: tuple[bool, tuple[str, ...]] = (False, ())

    def _read_layout(self) -> None:
        self._learn(list(self.packed_store.of_prefix(LAYOUT)))

    # For the fold:

    def cover(self, catalogue: Catalogue, topic: str) -> None:
        """Have columns for this catalogue's cohorts and this source topic."""
        if self._shop is None or self._shop.catalogue is not catalogue or topic not in self.columns.topic_numbers:
            variants = self.columns.shape.variants
            self.reshape(self.columns.shape.covering(catalogue.cohorts, (topic,), variants))

    def shop(self, catalogue: Catalogue) -> ShopColumns:
        """Return the catalogue as arrays for this partition's rows."""
        shop = self._shop
        if shop is None or shop.catalogue is not catalogue or shop.columns is not self.columns:
            shop = self._shop = ShopColumns(catalogue, self.columns, self.products)
        return shop

    def reshape(self, shape: Shape) -> None:
        """Give the rows this shape, which must include their present one."""
        if shape == self.columns.shape:
            return
        columns = Columns(shape)
        rows = new_rows(columns, len(self.rows))
        store(rows, slice(self._end), converted(self.rows[: self._end], self.columns, columns))
        self.rows, self.columns, self._shape_unwritten = rows, columns, True

    def find(self, keys: Keys) -> RowNumbers:
        """Return the row of each visitor, or -1 for a visitor without a state, or with one in long form."""
        return self._index.find(keys, self.rows["key"])

    def insert(self, rows: Rows, *, dirty: bool = True) -> RowNumbers:
        """Store rows of visitors who have none, with their keys, and return their numbers."""
        count = len(rows)
        reused = self._vacant[len(self._vacant) - min(count, len(self._vacant)) :]
        del self._vacant[len(self._vacant) - len(reused) :]
        fresh = count - len(reused)
        self._make_room(fresh)
        numbers = np.concatenate([np.array(reused, np.int32), np.arange(self._end, self._end + fresh, dtype=np.int32)])
        if not self._index.has_room(count):
            self._index.rebuild(self._used(), self.rows["key"], count)
        self._end += fresh
        store(self.rows, numbers, rows)
        self._marks[numbers] = _DIRTY if dirty else _CLEAN
        self._index.insert(numbers, self.rows["key"])
        if self._removed:
            self._forget_tombstones(map(bytes, _hex_keys(rows["key"])))
        return numbers

    def _used(self) -> RowNumbers:
        return np.flatnonzero(self._marks[: self._end] != _VACANT).astype(np.int32)

    def _make_room(self, count: int) -> None:
        needed = self._end + count
        if needed > len(self.rows):
            size = needed + max(_SEGMENT, needed // 8)
            rows, marks = np.zeros(size, self.columns.dtype), np.zeros(size, np.uint8)
            store(rows, slice(self._end), self.rows[: self._end])
            marks[: self._end] = self._marks[: self._end]
            self.rows, self._marks = rows, marks

    def _forget_tombstones(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            self._removed.discard(key)
            self._long_dirty.pop(key, None)

    def touch(self, numbers: RowNumbers) -> None:
        """Mark rows that the fold has changed for the next flush."""
        self._marks[numbers] = _DIRTY

    def states_in(self, numbers: RowNumbers) -> list[UserState]:
        """Return the states in these rows."""
        return states_of(self.rows.take(numbers), self.columns, self.products)

    def decisions_in(self, numbers: RowNumbers) -> list[tuple[int, tuple[str, str, str], int]]:
        """Return epoch, banner (product, cohort, variant) and time (epoch milliseconds) of the decisions in these rows.

        Each of them must have one.
        """
        rows, ids, shape = self.rows.take(numbers), self.products.ids, self.columns.shape
        decided_at = rows["landmark"] + times_in(rows, "decided")
        return [
            (epoch, (ids[product], shape.cohorts[cohort], shape.variants[variant]), at)
            for epoch, product, cohort, variant, at in zip(
                *(rows[name].tolist() for name in ("epoch", "product", "cohort", "variant")),
                decided_at.tolist(),
                strict=True,
            )
        ]

    def load(self, keys: Sequence[bytes]) -> dict[bytes, UserState | Exception]:
        """Return the states of visitors who have no row, by key; make rows of those that fit.

        An exception stands for a state that cannot be read; visitors without a state are left out.

        Raises:
            UnknownStateVersion: another version wrote a state.
        """
        found: dict[bytes, UserState | Exception] = {}
        if not self._durable and not self._long and not len(self.packed_store):
            return found
        for key in keys:
            try:
                state = self._long_state(key)
            except BrokenState as error:
                found[key] = error
            else:
                if state is not None:
                    found[key] = state
        clean = [key for key, state in found.items() if key not in self._long_dirty and isinstance(state, UserState)]
        if clean:
            self._make_rows(clean, [found[key] for key in clean], dirty=False)  # type: ignore[misc]
        return found

    def _long_state(self, key: bytes) -> UserState | None:
        state = self._long.get(key)
        if state is None and key not in self._removed:
            packed = self.packed_store.get(key)
            if packed is not None:
                return self._unpacked(packed)
        return state

    def _unpacked(self, packed: bytes) -> UserState:
        if packed[:1] != bytes([STATE_VERSION]):
            return unpack(packed)
        plain = long_form(packed)
        return self._reader.state(packed) if plain is None else unpack(plain)

    # By key, for what is rare:

    def get(self, key: bytes) -> UserState | None:
        """Return a visitor's state, or None. A changed one must be `put`.

        Raises:
            UnknownStateVersion, BrokenState: see `streams.affinity.unpack`.
        """
        (number,) = self.find(key_array([key]))
        return self._long_state(key) if number < 0 else self.states_in(np.array([number]))[0]

    def get_all(self, keys: Sequence[bytes]) -> dict[bytes, UserState | Exception]:
        """Return the states of these visitors, by key; an exception for one that cannot be read, nothing for none.

        Raises:
            UnknownStateVersion: see `streams.affinity.unpack`.
        """
        numbers = self.find(key_array(keys))
        rows = np.flatnonzero(numbers >= 0)
        found = dict(zip((keys[index] for index in rows.tolist()), self.states_in(numbers[rows]), strict=True))
        return found | self.load([key for key in keys if key not in found])

    def keys(self) -> list[bytes]:
        """Return the keys of all visitors, at the cost of reading every one that the packed store holds."""
        keys = _hex_keys(self.rows["key"][self._used()])
        others = (key for key, _ in self.packed_store.items() if not key.startswith(LAYOUT))
        return [key for key in dict.fromkeys([*keys, *self._long, *others]) if key not in self._removed]

    def put(self, key: bytes, state: UserState) -> None:
        """Store a state and mark it for the next flush."""
        self.put_all([key], [state])

    def put_all(self, keys: Sequence[bytes], states: Sequence[UserState]) -> None:
        """Store states of different visitors and mark them for the next flush."""
        variants = {state.decision.variant for state in states if state.decision is not None}
        topics = {topic for state in states for topic in state.offsets}
        if not (variants <= self.columns.variant_numbers.keys() and topics <= self.columns.topic_numbers.keys()):
            self.reshape(self.columns.shape.covering((), sorted(topics), sorted(variants)))
        half_lives = {state.half_life_ms for state in states}
        if not half_lives <= self.columns.half_life_numbers.keys() and self._policy.half_life_ms in half_lives:
            self.reshape(self.columns.shape.including(shape_for(self._policy)))
        self._make_rows(keys, states, dirty=True)

    def _make_rows(self, keys: Sequence[bytes], states: Sequence[UserState], *, dirty: bool) -> None:
        rows, fits = rows_of(states, self.columns, self.products)
        rows["key"] = packed_keys = key_array(keys)
        numbers = self.find(packed_keys)
        known = np.flatnonzero(fits & (numbers >= 0))
        if len(known):
            store(self.rows, numbers[known], rows.take(known))
            self.touch(numbers[known])
        new = fits & (numbers < 0)
        if new.any():
            self._drop_long([key for key, is_new in zip(keys, new.tolist(), strict=True) if is_new])
            self.insert(rows.take(np.flatnonzero(new)), dirty=dirty)
        if dirty and not fits.all():
            self._vacate(numbers[~fits & (numbers >= 0)])
            for key, state, fit in zip(keys, states, fits.tolist(), strict=True):
                if not fit:
                    self._long[key] = state
                    self._long_dirty[key] = None
                    self._removed.discard(key)

    def _drop_long(self, keys: Collection[bytes]) -> None:
        """Forget states in long form, which are rows from now on."""
        for key in keys:
            self._long.pop(key, None)
            self._long_sent.discard(key)
            if key not in self._removed:
                self._long_dirty.pop(key, None)
        if not self._durable and len(self.packed_store):
            self.packed_store.update([(key, None) for key in keys], self.packed_store.reached() or 0)

    def _vacate(self, numbers: RowNumbers) -> None:
        if len(numbers):
            self._index.remove(numbers, self.rows["key"])
            self._marks[numbers] = _VACANT
            self._vacant.extend(numbers.tolist())

    def remove_all(self, keys: Sequence[bytes]) -> None:
        """Remove visitors, who differ, and write a tombstone of each with the next flush."""
        numbers = self.find(key_array(keys))
        self._vacate(numbers[numbers >= 0])
        for key in keys:
            self._long.pop(key, None)
            self._removed.add(key)
            self._long_dirty[key] = None

    def idle(self, horizon_ms: int) -> Iterator[list[bytes]]:
        """Yield the keys of visitors whose latest event is before `horizon_ms` (epoch milliseconds), by slices.

        Only acknowledged states: a visitor who was folded just now is left to the next sweep. States may change between
        two slices.
        """
        start = 0
        while start < self._end and not self._durable:  # a store on disk holds the rows, too
            numbers = np.arange(start, min(start + ROW_SLICE, self._end), dtype=np.int32)
            rows = self.rows.take(numbers[self._marks[numbers] == _CLEAN])
            yield _hex_keys(rows["key"][rows["landmark"] + times_in(rows, "seen") < horizon_ms])
            start += ROW_SLICE
        found: list[bytes] = []
        for count, (key, packed) in enumerate(self.packed_store.items(), 1):
            if not key.startswith(LAYOUT) and self._is_idle(packed, horizon_ms):
                found.append(key)
            if not count % SWEEP_SLICE:
                yield found
                found = []
        yield found

    def decisions(self) -> Iterator[Current]:
        """Yield the current decisions, of a store on disk the acknowledged ones, by slices, with the visitors' keys.

        States may change between two slices.
        """
        start = 0
        while start < self._end and not self._durable:  # a store on disk holds the rows, too
            numbers = np.arange(start, min(start + SWEEP_SLICE, self._end), dtype=np.int32)
            numbers = numbers[self._marks[numbers] != _VACANT]
            numbers = numbers[self.rows["product"][numbers] != NO_PRODUCT]
            keys = _hex_keys(self.rows["key"][numbers])
            decided = [state.decision for state in self.states_in(numbers)]
            yield [(key, decision) for key, decision in zip(keys, decided, strict=True) if decision is not None]
            start += SWEEP_SLICE
        found: Current = []
        for count, (key, packed) in enumerate(self.packed_store.items(), 1):
            if not key.startswith(LAYOUT) and (decision := self._decision_in(packed)) is not None:
                found.append((key, decision))
            if not count % SWEEP_SLICE:
                yield found
                found = []
        yield found

    def _decision_in(self, packed: bytes) -> Decision | None:
        if packed[:1] != bytes([STATE_VERSION]):
            return decision_of(packed)
        try:
            return self._unpacked(packed).decision
        except BrokenState:
            return None  # its visitor's next event reports it

    def _is_idle(self, packed: bytes, horizon_ms: int) -> bool:
        try:
            if packed[:1] != bytes([STATE_VERSION]):
                return seen_at_ms_of(packed) < horizon_ms
            return self._unpacked(packed).seen_at_ms < horizon_ms
        except BrokenState:
            return False  # unreadable, so its age is unknown; its visitor's next event reports it

    # As a `StateStore`:

    def dirty(self) -> list[bytes]:
        """See `StateStore`."""
        numbers = np.flatnonzero(self._marks[: self._end] == _DIRTY)
        return [*_hex_keys(self.rows["key"][numbers]), *self._long_dirty]

    def encode(self, keys: Iterable[bytes]) -> Changes:
        """See `StateStore`: layout records come before the states that need them."""
        keys = list(keys)
        long = [key for key in dict.fromkeys(keys) if key in self._long_dirty] if self._long_dirty else []
        changes: Changes = []
        for key in long:
            del self._long_dirty[key]
            state = self._long.get(key)
            if state is not None:
                self._long_sent.add(key)
            changes.append((key, None if state is None else pack(state)))
        numbers = np.unique(self.find(key_array(keys)))
        numbers = numbers[numbers >= 0]
        numbers = numbers[self._marks[numbers] == _DIRTY]
        if len(numbers):
            self._marks[numbers] = _SENT
            self._rows_sent.append(numbers)
            rows = self.rows.take(numbers)
            changes += zip(_hex_keys(rows["key"]), self._values(rows), strict=True)
        if changes and self._version == STATE_VERSION:
            changes = self._layout() + changes
        self._in_flight += len(changes)
        return changes

    def _values(self, rows: Rows) -> list[bytes]:
        if self._version == STATE_VERSION:
            return split_rows(rows, self.columns)
        return list(map(pack, states_of(rows, self.columns, self.products)))

    def _layout(self) -> Changes:
        """Return the layout records that the changelog lacks."""
        was_shape, ids = self._layout_in_flight
        records: Changes = [self._reader.shape_record(self.columns)] if self._shape_unwritten else []
        new = tuple(self.products.unwritten)
        records += map(self.products.record, new)
        self._layout_in_flight = was_shape or self._shape_unwritten, ids + new
        self._shape_unwritten = False
        self.products.unwritten.clear()
        return records

    def written(self, changes: Changes, reached: int) -> None:
        """See `StateStore`."""
        if self._durable:
            kept = changes
        else:
            kept = [change for change in changes if change[0] in self._long_sent] if self._long_sent else []
        self.packed_store.update(kept, reached)
        if self._removed:
            self._removed.difference_update(
                key for key, packed in changes if packed is None and key not in self._long_dirty
            )
        for key in self._long_sent.intersection(key for key, _ in kept):
            self._long_sent.discard(key)
            if key not in self._long_dirty:
                self._long.pop(key, None)
        self._in_flight -= len(changes)
        if not self._in_flight:
            self._layout_in_flight = (False, ())
            for numbers in self._rows_sent:
                self._marks[numbers[self._marks[numbers] == _SENT]] = _CLEAN
            self._rows_sent.clear()

    def roll_back(self) -> None:
        """See `StateStore`."""
        if not self._durable:
            if self._in_flight or self._long_dirty or (self._marks[: self._end] == _DIRTY).any():
                self.clear()
            return
        was_shape, ids = self._layout_in_flight
        self._shape_unwritten |= was_shape
        self.products.unwritten = dict.fromkeys(ids) | self.products.unwritten
        self._forget_rows()
        self._forget_long()

    def _forget_rows(self) -> None:
        self._index.clear()
        self._end = 0
        self._vacant.clear()
        self.rows, self._marks = new_rows(self.columns, 0), np.zeros(0, np.uint8)

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """See `StateStore`."""
        changes = list(changes)
        if not self._durable and (uniform := self._reader.uniform(changes)) is not None:
            self._apply_shape(*uniform)
            if len(self.packed_store):
                self.packed_store.update([(key, None) for key, _ in changes], reached)
            self.packed_store.update((), reached)
            return
        latest = readable_keys(dict(changes))
        layout = [(key, latest.pop(key)) for key in [key for key in latest if key.startswith(LAYOUT)]]
        self._learn(layout)
        if self._durable:
            self._forget_rows()
            self.packed_store.update([*layout, *latest.items()], reached)
            return
        shapes = self._reader.shapes(latest.values())
        if shapes:
            self._apply_rows(latest, shapes)
        others: Changes = (
            [(key, packed) for key, packed in latest.items() if packed is None or packed[:5] not in shapes]
            if shapes
            else list(latest.items())
        )
        if others:
            if self._end:
                numbers = self.find(key_array([key for key, _ in others]))
                self._vacate(np.unique(numbers[numbers >= 0]))
            others = [(key, packed if packed is None else long_form(packed) or packed) for key, packed in others]
        self.packed_store.update(others, reached)

    def _apply_rows(self, latest: dict[bytes, bytes | None], shapes: dict[bytes, Columns]) -> None:
        for header, columns in shapes.items():
            values = {key: packed for key, packed in latest.items() if packed is not None and packed[:5] == header}
            self._apply_shape(self._reader.rows(values, columns), columns)
            if len(self.packed_store):
                self.packed_store.update([(key, None) for key in values], self.packed_store.reached() or 0)

    def _apply_shape(self, rows: Rows, columns: Columns) -> None:
        self.reshape(self.columns.shape.including(columns.shape))
        if columns.shape != self.columns.shape:
            rows = converted(rows, columns, self.columns)
        numbers = self.find(rows["key"])
        known = np.flatnonzero(numbers >= 0)
        if not len(known):
            self.insert(rows, dirty=False)
            return
        store(self.rows, numbers[known], rows.take(known))
        new = np.flatnonzero(numbers < 0)
        if len(new):
            self.insert(rows.take(new), dirty=False)

    def _learn(self, layout: Iterable[tuple[bytes, bytes | None]]) -> None:
        shapes = self._reader.learn(layout)
        for shape in shapes:
            self.reshape(self.columns.shape.including(shape))
            if shape == self.columns.shape:
                self._shape_unwritten = False

    @property
    def nbytes(self) -> int:
        """Return the memory that rows and index take."""
        return self.rows.nbytes + self._marks.nbytes + self._index.nbytes

    def reached(self) -> int | None:
        """See `StateStore`."""
        return self.packed_store.reached()

    def evict_clean(self, most: int) -> None:
        """See `StateStore`: rows of a store on disk are a cache, and all clean ones go when there are too many."""
        if not self._durable or self._in_flight or self._end - len(self._vacant) <= most:
            return
        dirty = self.rows.take(np.flatnonzero(self._marks[: self._end] == _DIRTY))
        self._forget_rows()
        if len(dirty):
            self.insert(dirty)

    def clear(self) -> None:
        """See `StateStore`."""
        self._begin()
        self.packed_store.clear()

    def close(self) -> None:
        """See `StateStore`."""
        self.packed_store.close()

    def __len__(self) -> int:
        in_store = len(self.packed_store)
        return in_store if self._durable else in_store + self._end - len(self._vacant)


def _hex_keys(keys: Keys) -> list[bytes]:
    text = hexlify(np.ascontiguousarray(keys).tobytes())
    return [text[start : start + 32] for start in range(0, len(text), 32)]
