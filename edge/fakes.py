"""Kafka in memory: what tests use in place of a `Publisher`."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.errors import ServiceUnavailable


class MemorySink:
    """Keeps the records that were written, by rounds.

    `fail_next` makes rounds fail; while `open` is cleared, rounds wait, as they do for a slow broker.
    """

    def __init__(self) -> None:
        self.rounds: list[list[Outgoing]] = []
        self.open = asyncio.Event()
        self.open.set()
        self._failures = 0

    @property
    def records(self) -> list[Outgoing]:
        """Return every record that was acknowledged, in order."""
        return [record for each in self.rounds for record in each]

    def fail_next(self, rounds: int = 1) -> None:
        """Make the next rounds fail as if no broker answered."""
        self._failures = rounds

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        """Keep the records, once `open` is set."""
        taken = list(records)
        await self.open.wait()
        if self._failures:
            self._failures -= 1
            raise ServiceUnavailable("the fake broker was told to fail")
        self.rounds.append(taken)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
