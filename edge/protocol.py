"""uvicorn's HTTP protocol with what it lacks against slow and endless clients.

uvicorn has no limit on the size of a request's head, none on the time that it may take to arrive, and closes a
connection politely, which waits for a client that never reads. Checked against uvicorn 0.54.

A live stream looks itself whether it is read (`edge.stream`); every other answer is looked after here.
"""

import asyncio
import socket
from typing import Any, ClassVar

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32_768
"""Of one request: address and headers. Browsers and proxies stop at 8 to 16 kB."""

UNREAD_BYTES = 16_384
"""Of a live stream, held by the kernel for a client that does not read: some ten banners. The kernel takes twice that
(socket(7)), and by itself up to 4 MB for each."""

_ABORT = "bannerstream.abort"
_LIMIT_SEND_BUFFER = "bannerstream.limit_send_buffer"


class LimitedHttpProtocol(HttpToolsProtocol):
    """Gives a request's head `head_timeout_s` and `MAX_HEAD_BYTES`, and a client `send_timeout_s` to take something."""

    head_timeout_s: ClassVar[float] = 10.0
    send_timeout_s: ClassVar[float] = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes: int | None = 0  # None once the head is in
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head: a connection that says nothing is closed, too."""
        super().connection_made(transport)  # type: ignore[arg-type]  # asyncio gives TCP servers a Transport
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._head_received()
        self._body_received()
        self._stop_unread_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes until the head is in. A request that is whole in one piece, as most are, needs no timer."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is None:
            self._start_body_timer()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._reject(b"431 Request Header Fields Too Large")
        elif self._head_bytes and self._head_timer is None:
            self._start_head_timer()

    def on_message_begin(self) -> None:
        """Let the application cut the connection, and have little held for it."""
        super().on_message_begin()
        self.scope["extensions"] = {
            _ABORT: {"call": self.transport.abort},
            _LIMIT_SEND_BUFFER: {"call": self._limit_send_buffer},
        }

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._head_received()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count again: the next request's head."""
        super().on_message_complete()
        self._body_received()
        self._head_bytes = 0

    def pause_writing(self) -> None:
        """Have the application wait, and the client take what is there."""
        super().pause_writing()
        if not self._streaming:
            self._start_unread_timer()

    def resume_writing(self) -> None:
        """Let the application go on. What is left of a connection that closes must still be taken."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_unread_timer()

    def on_response_complete(self) -> None:
        """Have the client take the end of an answer after which the connection closes, or of a live stream."""
        super().on_response_complete()
        self._streaming = False
        if self.transport.is_closing() or self.flow.write_paused:
            self._start_unread_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close, and have the client take what is left."""
        super().timeout_keep_alive_handler()
        self._start_unread_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuse, and have the client take that."""
        super().send_400_response(msg)
        self._start_unread_timer()

    def _limit_send_buffer(self) -> None:
        self._streaming = True
        self.transport.set_write_buffer_limits(high=0)  # what the kernel does not take, the stream waits with
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._reject, b"408 Request Timeout")

    def _start_body_timer(self) -> None:
        """Whatever the application makes of the head, the body must end at some time, too.

        The application refuses what is late or long. This is for what still comes after it has refused.
        """
        if self._body_timer is None:
            self._body_timer = self.loop.call_later(2 * self.head_timeout_s, self.transport.abort)

    def _head_received(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _body_received(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _start_unread_timer(self) -> None:
        """Give what is unread its time: a connection that closes waits for it, for ever if nobody looks."""
        left = self.transport.get_write_buffer_size()
        if left and self._unread_timer is None:
            self._unread_timer = self.loop.call_later(self.send_timeout_s, self._check_unread, left)

    def _check_unread(self, before: int) -> None:
        self._unread_timer = None
        if self.transport.get_write_buffer_size() < before:
            self._start_unread_timer()
        else:
            self.transport.abort()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _reject(self, status: bytes) -> None:
        self._head_received()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            self.transport.close()
            self._start_unread_timer()


def abort_connection(scope: Scope) -> None:
    """End a request's connection at once, without sending what it has not taken."""
    _call_extension(scope, _ABORT)


def limit_send_buffer(scope: Scope) -> None:
    """Hold no more than `UNREAD_BYTES`, and one message, of what a request's client does not read."""
    _call_extension(scope, _LIMIT_SEND_BUFFER)


def _call_extension(scope: Scope, name: str) -> None:
    extension = scope.get("extensions", {}).get(name)
    if extension is not None:
        extension["call"]()
