"""Forms batches of one shape and adapter, each due when it is full or its oldest picture has waited. Pure."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Ticket(Generic[Item]):
    """One waiting picture. Pictures of one `kind` can be painted together; it arrived at `since_s`."""

    item: Item
    kind: Hashable
    since_s: float


class Batches(Generic[Item]):
    """Tickets by kind. `max_size` limits a kind's batch; a batch waits up to `wait_s` to fill.

    The kind whose oldest ticket has waited longest goes first, so that no kind starves behind one that is always full.
    """

    def __init__(self, *, max_size: Callable[[Hashable], int], wait_s: float) -> None:
        self._max_size = max_size
        self._wait_s = wait_s
        self._kinds: dict[Hashable, list[Ticket[Item]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def add(self, tickets: Iterable[Ticket[Item]]) -> None:
        """Add tickets behind those of their kind."""
        for ticket in tickets:
            self._kinds.setdefault(ticket.kind, []).append(ticket)

    def put_back(self, tickets: list[Ticket[Item]]) -> None:
        """Return tickets of one kind to the head of their queue."""
        kind = tickets[0].kind
        self._kinds[kind] = [*tickets, *self._kinds.get(kind, ())]

    def take(self, now_s: float, *, no_more_will_come: bool = False) -> list[Ticket[Item]]:
        """Remove and return the batch that is due, oldest first, or nothing yet.

        With `no_more_will_come`, every waiting ticket is due at once.
        """
        due = [
            kind
            for kind, tickets in self._kinds.items()
            if no_more_will_come or len(tickets) >= self._max_size(kind) or now_s >= tickets[0].since_s + self._wait_s
        ]
        if not due:
            return []
        kind = min(due, key=lambda kind: self._kinds[kind][0].since_s)
        tickets, most = self._kinds[kind], self._max_size(kind)
        if len(tickets) > most:
            self._kinds[kind] = tickets[most:]
        else:
            del self._kinds[kind]
        return tickets[:most]

    def take_all(self) -> list[Ticket[Item]]:
        """Remove and return every ticket."""
        tickets = [ticket for waiting in self._kinds.values() for ticket in waiting]
        self._kinds.clear()
        return tickets

    def due_in_s(self, now_s: float) -> float | None:
        """Return the seconds until a batch is due by its age, or None when nothing waits."""
        if not self._kinds:
            return None
        return max(0.0, min(tickets[0].since_s for tickets in self._kinds.values()) + self._wait_s - now_s)
