"""A queue that is fair between cohorts and serves the oldest entry first within a cohort and among equals. Pure.

Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) at unit cost: each entry gets a start tag when it arrives,
one after its cohort's last and never before the queue's own time; the lowest tag goes first. A cohort with thousands of
requests delays another cohort's first banner by one banner per waiting cohort, not by thousands.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(order=True, slots=True)
class _Waiting(Generic[Item]):
    """An entry of one cohort, ordered by age, then by arrival."""

    age: int
    order: int
    item: Item = field(compare=False)


class FairQueue(Generic[Item]):
    """Entries in the order of service. `age` is a time: the smaller, the older."""

    def __init__(self) -> None:
        self._flows: dict[str, list[_Waiting[Item]]] = {}
        self._starts: dict[str, float] = {}
        """Tag of each cohort's next entry. It outlives the cohort's last entry until the queue's time has passed it."""
        self._now = 0.0
        self._order = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, item: Item, *, cohort: str, age: int) -> None:
        """Add an entry."""
        if cohort not in self._flows:
            self._drop_past_starts()
            self._flows[cohort] = []
            self._starts[cohort] = max(self._now, self._starts.get(cohort, 0.0))
        self._order += 1
        heapq.heappush(self._flows[cohort], _Waiting(age, self._order, item))
        self._length += 1

    def pop(self) -> Item:
        """Remove and return the next entry.

        Raises:
            IndexError: the queue is empty.
        """
        if not self._flows:
            raise IndexError("the queue is empty")
        cohort = min(self._flows, key=lambda cohort: (self._starts[cohort], self._flows[cohort][0]))
        self._now = self._starts[cohort]
        self._starts[cohort] += 1
        item = heapq.heappop(self._flows[cohort]).item
        self._length -= 1
        self._drop_if_empty(cohort)
        if not self._flows:  # an empty queue owes no cohort a turn
            self._starts.clear()
        return item

    def discard(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Remove and return the unwanted entries."""
        removed: list[Item] = []
        for cohort, flow in list(self._flows.items()):
            kept = [entry for entry in flow if not unwanted(entry.item)]
            kept_orders = {entry.order for entry in kept}
            removed += [entry.item for entry in flow if entry.order not in kept_orders]
            heapq.heapify(kept)
            self._flows[cohort] = kept
            self._drop_if_empty(cohort)
        self._length -= len(removed)
        return removed

    def _drop_if_empty(self, cohort: str) -> None:
        if not self._flows[cohort]:
            del self._flows[cohort]

    def _drop_past_starts(self) -> None:
        """Drop tags that the queue's time has passed, so that past cohorts take no memory."""
        past = [cohort for cohort, start in self._starts.items() if start <= self._now and cohort not in self._flows]
        for cohort in past:
            del self._starts[cohort]
