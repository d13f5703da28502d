"""uvicorn's HTTP protocol with limits against slow and endless clients.

uvicorn limits neither the size of a request's head nor the time it takes to arrive, and it closes connections
gracefully, which waits for a client that never reads.

A live stream checks by itself whether its client reads (`edge.event_stream`); this protocol checks all other responses.
"""

import asyncio
import logging
import socket
import time
from typing import Any, ClassVar

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bannerstream.service.compat import overrides_private

MAX_HEAD_BYTES = 32_768
"""Limit for request line and headers together. Browsers and proxies stop at 8 to 16 kB."""

MAX_HEADERS = 100
"""Header fields of a request, as many as Apache takes. A head of `MAX_HEAD_BYTES` could hold 8,000, which take 1 MB."""

MAX_PIPELINED = 8
"""Requests of a connection that wait for the response of the one before (RFC 9112 §9.3.2). Browsers and proxies send
none; uvicorn takes all that arrive, 3 kB each, so that 20 connections with half a megabyte each took 1 GB."""

UNREAD_BYTES = 16_384
"""Kernel send buffer of a live stream whose client does not read: about ten banners. The kernel doubles the value
(socket(7)); its own default grows to 4 MB a connection."""

_ONCE_IN_S = 60.0
"""Between two warnings of uvicorn with the same words."""

_ABORT = "bannerstream.abort"
_LIMIT_SEND_BUFFER = "bannerstream.limit_send_buffer"


class RepeatedWarnings(logging.Filter):
    """Passes a warning once a minute. uvicorn logs every request that is not HTTP: strangers could fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_s: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged. Errors always are."""
        if record.levelno != logging.WARNING:
            return True
        now_s = time.monotonic()
        if now_s - self._logged_s.get(record.msg, -_ONCE_IN_S) < _ONCE_IN_S:
            return False
        self._logged_s[record.msg] = now_s
        return True


@overrides_private("uvicorn.protocols.http.httptools_impl:HttpToolsProtocol", "18fdf324b11b")
class LimitedHttpProtocol(HttpToolsProtocol):
    """Limits a request's head to `head_timeout_s` and `MAX_HEAD_BYTES`; a client must read within `send_timeout_s`."""

    head_timeout_s: ClassVar[float] = 10.0
    send_timeout_s: ClassVar[float] = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes: int | None = 0  # None once the head is complete
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer of the first head, so that a silent connection is closed, too."""
        super().connection_made(transport)  # type: ignore[arg-type]  # asyncio gives TCP servers a Transport
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._head_received()
        self._body_received()
        self._stop_unread_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes until the head is complete. A request that arrives in one piece, as most do, needs no timer."""
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
        """Offer the application to abort the connection and to limit its send buffer."""
        super().on_message_begin()
        self.scope["extensions"] = {
            _ABORT: {"call": self.transport.abort},
            _LIMIT_SEND_BUFFER: {"call": self._limit_send_buffer},
        }

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header.

        Fields after a chunked body (RFC 9112 §7.1.2) are dropped: nobody reads them, and no limit of the head or the
        body counts them.
        """
        if self._head_bytes is None:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise httptools.HttpParserError("too many header fields")  # uvicorn answers 400 and closes
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop counting: the head is complete. Refuse the connection if too many requests wait in it."""
        self._head_received()
        if len(self.pipeline) >= MAX_PIPELINED:
            self.pipeline.clear()
            raise httptools.HttpParserError("too many pipelined requests")  # uvicorn answers 400 and closes
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count the bytes of the next request's head."""
        super().on_message_complete()
        self._body_received()
        self._head_bytes = 0

    def pause_writing(self) -> None:
        """Pause the application, and start the timer in which the client must read."""
        super().pause_writing()
        if not self._streaming:
            self._start_unread_timer()

    def resume_writing(self) -> None:
        """Resume the application. The timer goes on if the connection is closing with bytes unread."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_unread_timer()

    def on_response_complete(self) -> None:
        """Start the timer if bytes are left: the connection is closing, or a live stream has ended."""
        super().on_response_complete()
        self._streaming = False
        if self.transport.is_closing() or self.flow.write_paused:
            self._start_unread_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close, and limit the time to read what is left."""
        super().timeout_keep_alive_handler()
        self._start_unread_timer()

    def send_400_response(self, msg: str) -> None:
        """Reject the request, and limit the time to read the response."""
        super().send_400_response(msg)
        self._start_unread_timer()

    def _limit_send_buffer(self) -> None:
        self._streaming = True
        self.transport.set_write_buffer_limits(high=0)  # the stream waits for what the kernel does not accept
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._reject, b"408 Request Timeout")

    def _start_body_timer(self) -> None:
        """Limit the time of the body.

        The application rejects late and long bodies; this ends clients that keep sending after that.
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
        """Start the timer if bytes are unread: closing a connection waits for them, without a limit of its own."""
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
    """Close a request's connection at once and discard unsent bytes."""
    _call_extension(scope, _ABORT)


def limit_send_buffer(scope: Scope) -> None:
    """Buffer at most `UNREAD_BYTES` and one message for a client that does not read."""
    _call_extension(scope, _LIMIT_SEND_BUFFER)


def _call_extension(scope: Scope, name: str) -> None:
    extension = scope.get("extensions", {}).get(name)
    if extension is not None:
        extension["call"]()
