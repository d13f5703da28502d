"""Tracks which offsets may be committed while requests finish in any order. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import TopicPartition


@dataclass(slots=True)
class _Partition:
    open: set[int] = field(default_factory=set)
    """Taken and not finished."""
    end: int = 0
    """One past the highest taken offset."""


class Offsets:
    """The records of this worker's partitions, from taken to finished."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}

    @property
    def open(self) -> int:
        """Return how many records are taken and not finished."""
        return sum(len(tracked.open) for tracked in self._partitions.values())

    def take(self, partition: TopicPartition, offset: int) -> None:
        """Record that a record was taken."""
        tracked = self._partitions.setdefault(partition, _Partition())
        tracked.open.add(offset)
        tracked.end = max(tracked.end, offset + 1)

    def finish(self, partition: TopicPartition, offset: int) -> None:
        """Mark a record as finished; a record of a lost partition is ignored."""
        tracked = self._partitions.get(partition)
        if tracked is not None:
            tracked.open.discard(offset)

    def drop_partitions(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop partitions that moved to another worker, which takes their open records again."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def holds(self, partition: TopicPartition, offset: int) -> bool:
        """Return whether a record is taken and not finished, and its partition still assigned to this worker."""
        tracked = self._partitions.get(partition)
        return tracked is not None and offset in tracked.open

    def positions(self) -> dict[TopicPartition, int]:
        """Return, per partition, the offset below which every record is finished."""
        return {partition: min(tracked.open, default=tracked.end) for partition, tracked in self._partitions.items()}
