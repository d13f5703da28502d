"""An in-memory stand-in for `broker.publisher.Publisher`, for tests."""

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.errors import ServiceUnavailable


class MemorySink:
    """Keeps written records by round.

    `fail_next` makes rounds fail; while `open` is cleared, rounds wait as for a slow broker. `appended_at` returns the
    broker's time in epoch milliseconds, or None as for topics that keep the times of clients.
    """

    def __init__(self) -> None:
        self.rounds: list[list[Outgoing]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.appended_at: Callable[[], int | None] = lambda: None
        self._failures = 0

    @property
    def records(self) -> list[Outgoing]:
        """Return all acknowledged records in order."""
        return [record for records in self.rounds for record in records]

    def fail_next(self, rounds: int = 1) -> None:
        """Make the next rounds fail like an unreachable broker."""
        self._failures = rounds

    async def publish_all(self, records: Iterable[Outgoing]) -> int | None:
        """Store the records once `open` is set; return what `appended_at` does."""
        taken = list(records)
        await self.open.wait()
        if self._failures:
            self._failures -= 1
            raise ServiceUnavailable("the fake broker is set to fail")
        self.rounds.append(taken)
        return self.appended_at()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
