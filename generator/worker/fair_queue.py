"""Who is next: fair between cohorts, oldest first within one and between those that were served alike. Pure.

Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) at unit cost: each entry gets a start tag when it comes, one
after its cohort's last, never before the queue's own time; the lowest tag goes first. A cohort that asks for thousands
of banners delays another's first by one per cohort that waits, not by thousands.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(order=True, slots=True)
class _Waiting(Generic[Item]):
    """An entry of one cohort: the oldest first, then the first that came."""

    age: int
    order: int
    item: Item = field(compare=False)


class FairQueue(Generic[Item]):
    """Entries in the order in which they are to be served. `age` is a time: the smaller, the older."""

    def __init__(self) -> None:
        self._flows: dict[str, list[_Waiting[Item]]] = {}
        self._starts: dict[str, float] = {}
        """Tag of the next entry of each cohort. Kept after its last one went, until the queue's time has passed it."""
        self._now = 0.0
        self._order = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, item: Item, *, cohort: str, age: int) -> None:
        """Let an entry wait."""
        if cohort not in self._flows:
            self._forget_the_past()
            self._flows[cohort] = []
            self._starts[cohort] = max(self._now, self._starts.get(cohort, 0.0))
        self._order += 1
        heapq.heappush(self._flows[cohort], _Waiting(age, self._order, item))
        self._length += 1

    def pop(self) -> Item:
        """Return who is next.

        Raises:
            IndexError: nobody waits.
        """
        if not self._flows:
            raise IndexError("nobody waits")
        cohort = min(self._flows, key=lambda each: (self._starts[each], self._flows[each][0]))
        self._now = self._starts[cohort]
        self._starts[cohort] += 1
        item = heapq.heappop(self._flows[cohort]).item
        self._length -= 1
        self._drop_if_empty(cohort)
        if not self._flows:  # nobody is owed a turn any more
            self._starts.clear()
        return item

    def discard(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Remove what is not to be served any more, and return it."""
        removed: list[Item] = []
        for cohort, flow in list(self._flows.items()):
            kept = [each for each in flow if not unwanted(each.item)]
            keeps = {each.order for each in kept}
            removed += [each.item for each in flow if each.order not in keeps]
            heapq.heapify(kept)
            self._flows[cohort] = kept
            self._drop_if_empty(cohort)
        self._length -= len(removed)
        return removed

    def _drop_if_empty(self, cohort: str) -> None:
        if not self._flows[cohort]:
            del self._flows[cohort]

    def _forget_the_past(self) -> None:
        """Drop tags that say nothing any more, so that cohorts which are gone take no memory."""
        gone = [each for each, start in self._starts.items() if start <= self._now and each not in self._flows]
        for cohort in gone:
            del self._starts[cohort]
