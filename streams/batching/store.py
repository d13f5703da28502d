"""The states of one table, by partition: stored packed, decoded while in use, written behind.

    fold ──get/put──> decoded (states) ──encode──> changelog ──acknowledged──> packed (bytes)
                      dirty: changed since they were encoded

The packed store equals the changelog, byte by byte. A partition whose writes were aborted returns to the acknowledged
states by dropping its decoded states; their events are folded again.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from bannerstream.streams.batching.state_store import StateStore

S = TypeVar("S")

MAX_DECODED = 100_000
"""Clean states kept decoded, over all partitions: small tables, and the busiest keys of large ones, then need no
unpacking. About 1 kB each."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[S]):
    """Converts a state to the bytes of a changelog value and back."""

    pack: Callable[[S], bytes]
    unpack: Callable[[bytes], S]


class PackedStore(Protocol):
    """The packed states of one partition, and the changelog offset that they reach."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return a packed state, or None."""
        ...

    def update(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """Apply changes in order; None removes. `reached` is the changelog offset after the last of them."""
        ...

    def reached(self) -> int | None:
        """Return the changelog offset up to which this is complete (exclusive), or None if it is empty."""
        ...

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key with its packed state."""
        ...

    def of_prefix(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys that begin with `prefix`, with their packed states."""
        ...

    def __len__(self) -> int: ...

    def clear(self) -> None:
        """Delete every state, on disk too."""
        ...

    def close(self) -> None:
        """Release resources; states on disk stay."""
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
        """See `PackedStore`: iterates a copy, so that folding can continue meanwhile."""
        return iter(list(self._states.items()))

    def of_prefix(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `PackedStore`."""
        return ((key, packed) for key, packed in self.items() if key.startswith(prefix))

    def __len__(self) -> int:
        return len(self._states)

    def clear(self) -> None:
        """See `PackedStore`."""
        self._states.clear()
        self._reached = None

    def close(self) -> None:
        """See `PackedStore`."""


class Partition(Generic[S]):
    """A `StateStore` of decoded states over a packed store. `get` returns the live object: change it, then `put` it."""

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
            Exception: anything the codec raises for bytes that it cannot read.
        """
        state = self._decoded.get(key)
        if state is None and key not in self._removed:
            packed = self.packed_store.get(key)
            if packed is not None:
                state = self._decoded[key] = self._codec.unpack(packed)
        return state

    def put(self, key: bytes, state: S) -> None:
        """Store a state and mark it for the next flush."""
        self._decoded[key] = state
        self._dirty[key] = None
        if self._removed:
            self._removed.discard(key)

    def remove(self, key: bytes) -> None:
        """Remove a key and write a tombstone with the next flush."""
        self._decoded.pop(key, None)
        self._removed.add(key)
        self._dirty[key] = None

    def dirty(self) -> list[bytes]:
        """Return the keys that a flush has to write."""
        return list(self._dirty)

    def encode(self, keys: Iterable[bytes]) -> list[tuple[bytes, bytes | None]]:
        """Return changelog records of the current states of these keys, only of dirty ones, and mark them clean."""
        pack, decoded, dirty = self._codec.pack, self._decoded, self._dirty
        changes: list[tuple[bytes, bytes | None]] = []
        for key in keys:
            if key in dirty:
                del dirty[key]
                state = decoded.get(key)
                changes.append((key, None if state is None else pack(state)))
        return changes

    def written(self, changes: list[tuple[bytes, bytes | None]], reached: int) -> None:
        """See `StateStore`."""
        self.packed_store.update(changes, reached)
        if self._removed:
            self._removed.difference_update(key for key, packed in changes if packed is None)

    def evict_clean(self, most: int) -> None:
        """Evict clean decoded states, oldest first, until `most` states are left.

        Not all at once: unpacking into memory that was just returned to the system costs twice as much.
        """
        decoded, dirty = self._decoded, self._dirty
        too_many = len(decoded) - most
        if too_many > 0:
            for key in [key for key in islice(decoded, too_many + len(dirty)) if key not in dirty][:too_many]:
                del decoded[key]

    def roll_back(self) -> None:
        """Discard every state that is not acknowledged; the packed store has the others."""
        self._decoded.clear()
        self._dirty.clear()
        self._removed.clear()

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """See `StateStore`."""
        self.packed_store.update(changes, reached)

    def reached(self) -> int | None:
        """See `StateStore`."""
        return self.packed_store.reached()

    def clear(self) -> None:
        """See `StateStore`."""
        self.roll_back()
        self.packed_store.clear()

    def close(self) -> None:
        """See `StateStore`."""
        self.packed_store.close()

    def __len__(self) -> int:
        return len(self.packed_store)


def decoded_states(
    codec: Codec[S], open_store: Callable[[int], PackedStore] = lambda _: MemoryStore()
) -> Callable[[int], Partition[S]]:
    """Return what opens a partition's `Partition`, over the packed store that `open_store` opens for it."""
    return lambda partition: Partition(codec, open_store(partition))


P = TypeVar("P", bound=StateStore)


class Partitions(Generic[P]):
    """The partitions of one table on this worker, active or standby; `open_states` opens a partition's store."""

    def __init__(self, open_states: Callable[[int], P], *, max_decoded: int = MAX_DECODED) -> None:
        self._open = open_states
        self._max_decoded = max_decoded
        self._partitions: MutableMapping[int, P] = {}

    def __getitem__(self, partition: int) -> P:
        """Return a partition's states; a new one starts empty or with the states on disk."""
        states = self._partitions.get(partition)
        if states is None:
            states = self._partitions[partition] = self._open(partition)
        return states

    def find(self, partition: int) -> P | None:
        """Return a partition's states if this worker has them."""
        return self._partitions.get(partition)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._partitions))

    def apply(self, partition: int, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """Apply changelog records up to offset `reached` (exclusive)."""
        self[partition].apply(changes, reached)

    def drop(self, partitions: Iterable[int]) -> None:
        """Release partitions that other workers write now."""
        for partition in partitions:
            states = self._partitions.pop(partition, None)
            if states is not None:
                states.close()

    def roll_back(self) -> None:
        """Discard, in every partition, the states that are not acknowledged."""
        for states in self._partitions.values():
            states.roll_back()

    def evict_clean(self) -> None:
        """Keep at most `max_decoded` clean states in the memory that they can do without."""
        share = self._max_decoded // max(1, len(self._partitions))
        for states in self._partitions.values():
            states.evict_clean(share)

    def __len__(self) -> int:
        """Return the number of acknowledged states."""
        return sum(map(len, self._partitions.values()))
