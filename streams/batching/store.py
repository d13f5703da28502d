"""States of one table, by partition: packed at rest, unpacked while they are touched, written behind.

    fold ──get/put──> hot (states) ──encode──> changelog ──acknowledged──> packed (bytes)
                       dirty: changed since they were encoded

What is at rest is what the changelog holds, byte by byte. So a partition whose writes were given up goes back to what
is acknowledged by forgetting its hot states, and what was folded into them is folded again.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

S = TypeVar("S")

MAX_DECODED = 100_000
"""Unpacked states that are kept over all partitions although nothing of them is to be written: users of small tables,
and the busiest of large ones, then cost no unpacking. About 1 kB each."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[S]):
    """How a state becomes the bytes of a changelog value, and back."""

    pack: Callable[[S], bytes]
    unpack: Callable[[bytes], S]


class PackedStore(Protocol):
    """The packed states of one partition, and how far they reach in the changelog."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return a packed state."""
        ...

    def update(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """Take over changes, in order; None removes. `reached` is the next changelog offset after the last of them."""
        ...

    def reached(self) -> int | None:
        """Return the changelog offset up to which this is complete (exclusive), or None for nothing."""
        ...

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key with its packed state."""
        ...

    def __len__(self) -> int: ...

    def clear(self) -> None:
        """Forget every state, on disk too."""
        ...

    def close(self) -> None:
        """Release what it holds; what is on disk stays."""
        ...


class MemoryStore:
    """Packed states in a dict: about 100 bytes beside key and value."""

    def __init__(self) -> None:
        self._states: dict[bytes, bytes] = {}
        self._reached: int | None = None
        self.get = self._states.get

    def update(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """See `PackedStore`."""
        states = self._states
        for key, packed in changes:
            if packed is None:
                states.pop(key, None)
            else:
                states[key] = packed
        self._reached = reached

    def reached(self) -> int | None:
        """See `PackedStore`."""
        return self._reached

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """See `PackedStore`: of a copy, so that folding may go on meanwhile."""
        return iter(list(self._states.items()))

    def __len__(self) -> int:
        return len(self._states)

    def clear(self) -> None:
        """See `PackedStore`."""
        self._states.clear()
        self._reached = None

    def close(self) -> None:
        """See `PackedStore`."""


class Partition(Generic[S]):
    """The states of one partition. What `get` returns is live: change it, then `put` it."""

    __slots__ = ("_codec", "_decoded", "_dirty", "_removed", "packed_store")

    def __init__(self, codec: Codec[S], packed_store: PackedStore) -> None:
        self.packed_store = packed_store
        self._codec = codec
        self._decoded: dict[bytes, S] = {}
        self._dirty: dict[bytes, None] = {}  # an ordered set
        self._removed: set[bytes] = set()

    def get(self, key: bytes) -> S | None:
        """Return the state of a key, or None.

        Raises:
            Exception: whatever the codec raises for bytes that it cannot read.
        """
        state = self._decoded.get(key)
        if state is None and key not in self._removed:
            packed = self.packed_store.get(key)
            if packed is not None:
                state = self._decoded[key] = self._codec.unpack(packed)
        return state

    def put(self, key: bytes, state: S) -> None:
        """Keep a state, and write it with the next flush."""
        self._decoded[key] = state
        self._dirty[key] = None
        if self._removed:
            self._removed.discard(key)

    def remove(self, key: bytes) -> None:
        """Forget a key, and write a tombstone with the next flush."""
        self._decoded.pop(key, None)
        self._removed.add(key)
        self._dirty[key] = None

    def dirty(self) -> list[bytes]:
        """Return the keys that a flush has to write."""
        return list(self._dirty)

    def encode(self, keys: Iterable[bytes]) -> list[tuple[bytes, bytes | None]]:
        """Return changelog records of these keys as they are now: those of them that are dirty. They are clean then."""
        pack, hot, dirty = self._codec.pack, self._decoded, self._dirty
        changes: list[tuple[bytes, bytes | None]] = []
        for key in keys:
            if key in dirty:
                del dirty[key]
                state = hot.get(key)
                changes.append((key, None if state is None else pack(state)))
        return changes

    def written(self, changes: list[tuple[bytes, bytes | None]], reached: int) -> None:
        """Take over what the changelog has acknowledged, the last of it before offset `reached`.

        Where it does not join what was there, another worker has written in between (this one stood still and was given
        up): then the changelog is known no further than before, so that the next recovery reads the other's states.
        """
        before = self.packed_store.reached() or 0
        self.packed_store.update(changes, reached if reached - len(changes) == before else before)
        if self._removed:
            self._removed.difference_update(key for key, packed in changes if packed is None)

    def evict_clean(self, most: int) -> None:
        """Let go of unpacked states that are clean, the first that came first, until `most` are left.

        Not of all at once: unpacking into memory that the system has just taken back costs twice as much.
        """
        hot, dirty = self._decoded, self._dirty
        too_many = len(hot) - most
        if too_many > 0:
            for key in [each for each in islice(hot, too_many + len(dirty)) if each not in dirty][:too_many]:
                del hot[key]

    def roll_back(self) -> None:
        """Forget everything that is not acknowledged."""
        self._decoded.clear()
        self._dirty.clear()
        self._removed.clear()

    def __len__(self) -> int:
        return len(self.packed_store)


class Partitions(Generic[S]):
    """The partitions of one table that are here, active or standby."""

    def __init__(
        self, codec: Codec[S], open_store: Callable[[int], PackedStore], *, max_decoded: int = MAX_DECODED
    ) -> None:
        self._codec = codec
        self._open = open_store
        self._max_decoded = max_decoded
        self._partitions: MutableMapping[int, Partition[S]] = {}

    def __getitem__(self, number: int) -> Partition[S]:
        """Return a partition; it begins empty, or with what the disk holds."""
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._partitions[number] = Partition(self._codec, self._open(number))
        return partition

    def find(self, number: int) -> Partition[S] | None:
        """Return a partition if it is here."""
        return self._partitions.get(number)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._partitions))

    def apply(self, number: int, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """Take over records of the changelog, up to offset `reached` (exclusive)."""
        self[number].packed_store.update(changes, reached)

    def drop(self, numbers: Iterable[int]) -> None:
        """Let go of partitions that others write now."""
        for number in numbers:
            partition = self._partitions.pop(number, None)
            if partition is not None:
                partition.packed_store.close()

    def roll_back(self) -> None:
        """Forget, in every partition, what is not acknowledged."""
        for partition in self._partitions.values():
            partition.roll_back()

    def evict_clean(self) -> None:
        """Keep at most `max_decoded` clean states unpacked."""
        share = self._max_decoded // max(1, len(self._partitions))
        for partition in self._partitions.values():
            partition.evict_clean(share)

    def __len__(self) -> int:
        """Return how many states are at rest."""
        return sum(map(len, self._partitions.values()))
