"""Live streams: who is connected, and the newest that each of them has not been told yet.

Nothing is queued. A change wakes the visitor's streams, and each sends what is true when its turn comes: a slow client
misses what lies between and never holds more than one message.
"""

import asyncio
from collections.abc import Iterable

from bannerstream.edge.metrics import EdgeMetrics


class Connection:
    """One open stream of one visitor."""

    __slots__ = ("closing", "user_key", "wake")

    def __init__(self, user_key: str) -> None:
        self.user_key = user_key
        self.wake = asyncio.Event()
        """Set when there may be something new, or a reason to end."""
        self.closing: str | None = None
        """Why this stream is to end, once it is."""

    def close(self, why: str) -> None:
        """Have the stream end as soon as it can."""
        self.closing = self.closing or why
        self.wake.set()


class Hub:
    """The open streams of a node, by visitor."""

    def __init__(self, metrics: EdgeMetrics, *, max_streams: int, max_per_visitor: int) -> None:
        self._metrics = metrics
        self._max_streams = max_streams
        self._max_per_visitor = max_per_visitor
        self._open: dict[str, list[Connection]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Tell whether no more streams are taken."""
        return self._count >= self._max_streams

    def open(self, user_key: str) -> Connection:
        """Register a stream; where a visitor has too many, the oldest are told to end."""
        connection = Connection(user_key)
        connections = self._open.setdefault(user_key, [])
        staying = [each for each in connections if each.closing is None]
        for oldest in staying[: max(0, len(staying) - self._max_per_visitor + 1)]:
            oldest.close("too_many")
        connections.append(connection)
        self._count += 1
        self._metrics.streams.set(self._count)
        return connection

    def remove(self, connection: Connection) -> None:
        """Forget a stream that has ended."""
        connections = self._open[connection.user_key]
        connections.remove(connection)
        if not connections:
            del self._open[connection.user_key]
        self._count -= 1
        self._metrics.streams.set(self._count)

    def visitors(self) -> Iterable[str]:
        """Return the user keys of everybody who is connected."""
        return list(self._open)

    def streams_of(self, user_key: str) -> int:
        """Return how many streams a visitor has open."""
        return len(self._open.get(user_key, ()))

    def notify(self, user_key: str) -> None:
        """Wake a visitor's streams: what they see has changed."""
        for connection in self._open.get(user_key, ()):
            connection.wake.set()

    def close_erased(self, user_key: str) -> None:
        """Have a visitor's streams end, saying that the visitor was erased."""
        for connection in self._open.get(user_key, ()):
            connection.close("erased")

    def close_all(self) -> None:
        """Have every stream end: the node stops. Browsers come back by themselves, to another node."""
        for connections in self._open.values():
            for connection in connections:
                connection.close("stopping")
