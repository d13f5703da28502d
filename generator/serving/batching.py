"""What is painted together: pictures of one shape and adapter, when there are enough or one has waited. Pure."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Ticket(Generic[Item]):
    """One picture that waits. `kind` says with which others it can be painted; `since` is when it came, in seconds."""

    item: Item
    kind: Hashable
    since: float


class Batches(Generic[Item]):
    """Tickets by kind. `most` says how many of a kind may go together; `wait_s` how long a batch waits to fill.

    The kind whose oldest ticket has waited longest goes first, so that no kind starves behind one that is always full.
    """

    def __init__(self, *, max_size: Callable[[Hashable], int], wait_s: float) -> None:
        self._max_size = max_size
        self._wait_s = wait_s
        self._kinds: dict[Hashable, list[Ticket[Item]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def add(self, tickets: Iterable[Ticket[Item]]) -> None:
        """Let tickets wait, behind those of their kind."""
        for ticket in tickets:
            self._kinds.setdefault(ticket.kind, []).append(ticket)

    def put_back(self, tickets: list[Ticket[Item]]) -> None:
        """Let tickets of one kind wait again, ahead of all others of it."""
        kind = tickets[0].kind
        self._kinds[kind] = [*tickets, *self._kinds.get(kind, ())]

    def take(self, now: float, *, no_more_will_come: bool = False) -> list[Ticket[Item]]:
        """Return the batch that is due, oldest first, or nothing yet.

        With `no_more_will_come`, what waits is due at once.
        """
        due = [
            kind
            for kind, tickets in self._kinds.items()
            if no_more_will_come or len(tickets) >= self._max_size(kind) or now >= tickets[0].since + self._wait_s
        ]
        if not due:
            return []
        kind = min(due, key=lambda each: self._kinds[each][0].since)
        tickets, most = self._kinds[kind], self._max_size(kind)
        if len(tickets) > most:
            self._kinds[kind] = tickets[most:]
        else:
            del self._kinds[kind]
        return tickets[:most]

    def take_all(self) -> list[Ticket[Item]]:
        """Return whatever waits."""
        tickets = [ticket for waiting in self._kinds.values() for ticket in waiting]
        self._kinds.clear()
        return tickets

    def due_in(self, now: float) -> float | None:
        """Return seconds until a batch is due by its age, or None when nothing waits."""
        if not self._kinds:
            return None
        return max(0.0, min(tickets[0].since for tickets in self._kinds.values()) + self._wait_s - now)
