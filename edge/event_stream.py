"""One live stream as an ASGI response: server-sent events (WHATWG HTML §9.2) in one task, without a queue."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bannerstream.edge.connections import Connection, Hub
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.protocol import abort_connection, limit_send_buffer

RETRY_MS = 2000
"""How long browsers wait before they reconnect."""


class EventStream(Response):
    """Sends one visitor's banner, now and whenever it changes.

    `current` returns the event id and body of the present state. A message is sent only if its id differs from the last
    one sent; `last_event_id` is the last one that the browser received before it reconnected.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        hub: Hub,
        user_key: str,
        current: Callable[[], tuple[str, bytes]],
        *,
        last_event_id: str | None,
        ping_s: float,
        send_timeout_s: float,
        expires_in_s: float,
        metrics: EdgeMetrics,
        address: str = "",
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._user_key = user_key
        self._address = address
        self._current = current
        self._sent_id = last_event_id
        self._ping_s = ping_s
        self._send_timeout_s = send_timeout_s
        self._expires_in_s = expires_in_s
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client disconnects or the stream is closed."""
        limit_send_buffer(scope)
        connection = self._hub.open(self._user_key, self._address)
        disconnect = asyncio.create_task(_close_on_disconnect(receive, connection))
        try:
            await self._with_timeout(send({"type": "http.response.start", "status": 200, "headers": self.raw_headers}))
            await self._send(send, b"retry: %d\n\n" % RETRY_MS)
            why = await self._send_changes(send, connection)
            self._metrics.streams_closed.labels(why).inc()
            await self._send(send, b"", last=True)
        except TimeoutError:
            self._metrics.streams_closed.labels("slow").inc()
            abort_connection(scope)
        finally:
            self._hub.remove(connection)
            disconnect.cancel()
            with suppress(asyncio.CancelledError):
                await disconnect

    async def _send_changes(self, send: Send, connection: Connection) -> str:
        """Send changes; return the reason why the stream ends."""
        loop = asyncio.get_running_loop()
        expires_at_s = loop.time() + self._expires_in_s
        while True:
            connection.wake.clear()
            if connection.closing is not None:
                if connection.closing == "erased":
                    await self._send(send, b"event: erased\ndata: {}\n\n")
                    self._metrics.stream_messages.labels("erased").inc()
                return connection.closing
            event_id, body = self._current()
            if event_id != self._sent_id:
                await self._send(send, b"event: banner\nid: %b\ndata: %b\n\n" % (event_id.encode(), body))
                self._sent_id = event_id
                self._metrics.stream_messages.labels("banner").inc()
                continue  # sending may have taken long: the state may have changed again
            if loop.time() >= expires_at_s:
                return "expired"
            try:
                async with asyncio.timeout(min(self._ping_s, expires_at_s - loop.time())):
                    await connection.wake.wait()
            except TimeoutError:
                await self._send(send, b": ping\n\n")
                self._metrics.stream_messages.labels("ping").inc()

    async def _send(self, send: Send, chunk: bytes, *, last: bool = False) -> None:
        await self._with_timeout(send({"type": "http.response.body", "body": chunk, "more_body": not last}))

    async def _with_timeout(self, sending: Awaitable[None]) -> None:
        async with asyncio.timeout(self._send_timeout_s):
            await sending


async def _close_on_disconnect(receive: Receive, connection: Connection) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    connection.close("gone")
