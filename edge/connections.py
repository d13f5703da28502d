"""Open live streams, by visitor, and the events that wake them.

Nothing is queued. A change wakes the visitor's streams, and each sends the state at the time it runs: a slow client
skips intermediate states and holds at most one message.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

from bannerstream.edge.metrics import EdgeMetrics


class Connection:
    """One open stream of one visitor."""

    __slots__ = ("address", "closing", "user_key", "wake")

    def __init__(self, user_key: str, address: str) -> None:
        self.user_key = user_key
        self.address = address
        self.wake = asyncio.Event()
        """Set when the banner may have changed, or the stream should end."""
        self.closing: str | None = None
        """The reason to end, once there is one."""

    def close(self, why: str) -> None:
        """Request the end of the stream; the first reason is kept."""
        self.closing = self.closing or why
        self.wake.set()


class Hub:
    """Registers the open streams of a node and wakes them."""

    def __init__(self, metrics: EdgeMetrics, *, max_streams: int, max_per_visitor: int) -> None:
        self._metrics = metrics
        self._max_streams = max_streams
        self._max_per_visitor = max_per_visitor
        self._open: dict[str, list[Connection]] = {}
        self._by_address: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Return whether the node accepts no further stream."""
        return self._count >= self._max_streams

    def open(self, user_key: str, address: str = "") -> Connection:
        """Register a stream. Beyond the limit per visitor, the visitor's oldest streams are closed."""
        connection = Connection(user_key, address)
        connections = self._open.setdefault(user_key, [])
        staying = [each for each in connections if each.closing is None]
        for oldest in staying[: max(0, len(staying) - self._max_per_visitor + 1)]:
            oldest.close("too_many")
        connections.append(connection)
        self._by_address[address] += 1
        self._count += 1
        self._metrics.streams.set(self._count)
        return connection

    def remove(self, connection: Connection) -> None:
        """Remove a stream that has ended."""
        connections = self._open[connection.user_key]
        connections.remove(connection)
        if not connections:
            del self._open[connection.user_key]
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]
        self._count -= 1
        self._metrics.streams.set(self._count)

    def visitors(self) -> Iterable[str]:
        """Return the user keys of all connected visitors."""
        return list(self._open)

    def streams_from(self, address: str) -> int:
        """Return the number of open streams of an address."""
        return self._by_address[address]

    def streams_of(self, user_key: str) -> int:
        """Return the number of open streams of a visitor."""
        return len(self._open.get(user_key, ()))

    def notify(self, user_key: str) -> None:
        """Wake a visitor's streams, because the visitor's banner may have changed."""
        for connection in self._open.get(user_key, ()):
            connection.wake.set()

    def close_erased(self, user_key: str) -> None:
        """Close a visitor's streams with the event `erased`."""
        for connection in self._open.get(user_key, ()):
            connection.close("erased")

    def close_all(self) -> None:
        """Close every stream, because the node stops. Browsers reconnect by themselves, to another node."""
        for connections in self._open.values():
            for connection in connections:
                connection.close("stopping")
