"""What batching needs of the states of one partition. `store.Partition` is the usual one."""

from collections.abc import Iterable, Sequence
from typing import Protocol


class StateStore(Protocol):
    """The states of one partition, as the checkpointer and the changelog reader see them.

    How the agent reads and changes states is between the agent and its store. docs/batching.md says how to write one.
    """

    def dirty(self) -> list[bytes]:
        """Return the keys that a flush has to write."""
        ...

    def encode(self, keys: Iterable[bytes]) -> list[tuple[bytes, bytes | None]]:
        """Return changelog records of the current states of these keys, only of dirty ones, and mark them clean.

        None is a tombstone. A store may add records of its own before the states that need them.
        """
        ...

    def written(self, changes: list[tuple[bytes, bytes | None]], reached: int) -> None:
        """Note that the changelog has acknowledged what `encode` returned; `reached()` is `reached` from then on."""
        ...

    def roll_back(self) -> None:
        """Discard every state that is not acknowledged: its events are folded again, after the next recovery.

        A store without the acknowledged states at hand clears itself, and is read from the changelog again.
        """
        ...

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """Apply changelog records in order, up to offset `reached` (exclusive); nothing is dirty then."""
        ...

    def reached(self) -> int | None:
        """Return the changelog offset up to which this is complete (exclusive), or None if it is empty."""
        ...

    def evict_clean(self, most: int) -> None:
        """Free memory that acknowledged states can do without, until at most `most` states take it."""
        ...

    def clear(self) -> None:
        """Delete every state, on disk too."""
        ...

    def close(self) -> None:
        """Release resources; states on disk stay."""
        ...

    def __len__(self) -> int:
        """Return the number of acknowledged states; an estimate will do."""
        ...


def reached_by(store: StateStore, changes: Sequence[object], end: int) -> int:
    """Return the offset that a store reaches with acknowledged changes, the last of them at `end` - 1.

    If they do not continue the known offsets, another worker wrote in between (this one was paused and evicted). The
    known offset then stays as it was, so that the next recovery reads the other worker's states.
    """
    before = store.reached() or 0
    return end if end - len(changes) == before else before
