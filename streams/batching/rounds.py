"""Rounds: all changed states of a partition number, the effects of its batches, and its offsets, in one transaction.

    changed states ─┐
    effects ────────┼─> one transaction ──committed──> packed store, positions
    offsets ────────┘

A round holds every change up to its offsets and nothing beyond them: no event is ever read again that a state contains.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from faust.types import TP

from bannerstream.streams.batching.bulk_producer import Write
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.store import Partition, Partitions
from bannerstream.streams.batching.transactions import Transactions

E = TypeVar("E")

ENCODED_SLICE = 4_000
"""States encoded before other work may run: about 10 ms."""


@dataclass(slots=True)
class Entry(Generic[E]):
    """One submitted result: of a batch, or of a change that does not come from a batch."""

    partition: int
    urgent: Collection[bytes]
    effects: E | None
    batch: Batch | None = None


class ConsumerOfRounds(Protocol):
    """The part of `consumer.BatchConsumer` that rounds use."""

    @property
    def positions(self) -> Any:
        """Return the `positions.Positions`."""
        ...

    def uncommitted(self, offsets: dict[TP, int]) -> dict[TP, int]:
        """Return the offsets that are ahead of the committed ones."""
        ...

    def committed_in_round(self, offsets: dict[TP, int]) -> None:
        """Note that a transaction has committed these offsets."""
        ...


class Rounds(Generic[E]):
    """Writes rounds. `records_of` returns the records that publish effects; `published` is called once they are."""

    def __init__(
        self,
        partitions: Partitions[Any],
        changelog: str,
        transactions: Transactions,
        records_of: Callable[[Sequence[E]], Awaitable[list[Write]]],
        published: Callable[[Sequence[E]], None],
    ) -> None:
        self._partitions = partitions
        self._changelog = changelog
        self._transactions = transactions
        self._records_of = records_of
        self._published = published

    async def write(
        self, partitions: Collection[int], take: Callable[[int], list[Entry[E]]], consumer: ConsumerOfRounds
    ) -> tuple[int, int]:
        """Write a round of each of these partition numbers; return the numbers of entries and of states.

        `take` removes and returns the entries that were submitted for a partition.

        Raises:
            WriteAborted: a round was not written; the others are complete.
        """
        counts = await asyncio.gather(
            *(self._write(partition, take, consumer) for partition in partitions), return_exceptions=True
        )
        failures = [count for count in counts if isinstance(count, BaseException)]
        for failure in sorted(failures, key=lambda failure: isinstance(failure, WriteAborted)):
            raise failure  # a defect first
        entries, states = zip((0, 0), *counts, strict=True)
        return sum(entries), sum(states)

    async def _write(
        self, partition: int, take: Callable[[int], list[Entry[E]]], consumer: ConsumerOfRounds
    ) -> tuple[int, int]:
        states = self._partitions[partition]
        changed = await _encode_most(states)
        # From here to the offsets nothing else may run: states, entries and offsets are those of one moment.
        changed += states.encode(states.dirty())
        entries = take(partition)
        batches = [entry.batch for entry in entries if entry.batch is not None]
        offsets = consumer.uncommitted(consumer.positions.covered(partition, batches))
        effects = [entry.effects for entry in entries if entry.effects is not None]
        writes = [Write(self._changelog, partition, [(key, packed, []) for key, packed in changed])]
        if effects:
            writes += await self._records_of(effects)
        if changed or effects or offsets:
            ends = await self._transactions.commit(partition, writes, offsets)
            is_still_here = states is self._partitions.find(partition)
            if changed and is_still_here:
                # The transaction's end takes one offset, too. Nobody else has written in between: they are fenced.
                states.written(changed, ends[self._changelog, partition] + 1)
            consumer.committed_in_round(offsets)
        for batch in batches:
            consumer.positions.apply(batch)
        if effects:
            self._published(effects)
        return len(entries), len(changed)


async def _encode_most(states: Partition[Any]) -> list[tuple[bytes, bytes | None]]:
    """Return changelog records of all but the last slice of the changed states, and let other work run in between."""
    changed: list[tuple[bytes, bytes | None]] = []
    waiting = states.dirty()
    for start in range(0, len(waiting) - ENCODED_SLICE, ENCODED_SLICE):
        changed += states.encode(waiting[start : start + ENCODED_SLICE])
        await asyncio.sleep(0)
    return changed
