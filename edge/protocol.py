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
_SPARE = "bannerstream.spare"


class PatientProtocol(HttpToolsProtocol):
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
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._head_is_in()
        self._body_is_in()
        self._all_is_taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes until the head is in. A request that is whole in one piece, as most are, needs no timer."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is None:
            self._expect_body()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._give_up(b"431 Request Header Fields Too Large")
        elif self._head_bytes and self._head_timer is None:
            self._expect_head()

    def on_message_begin(self) -> None:
        """Let the application cut the connection, and have little held for it."""
        super().on_message_begin()
        self.scope["extensions"] = {_ABORT: {"abort": self.transport.abort}, _SPARE: {"spare": self._hold_little}}

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._head_is_in()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count again: the next request's head."""
        super().on_message_complete()
        self._body_is_in()
        self._head_bytes = 0

    def pause_writing(self) -> None:
        """Have the application wait, and the client take what is there."""
        super().pause_writing()
        if not self._streaming:
            self._expect_taking()

    def resume_writing(self) -> None:
        """Let the application go on. What is left of a connection that closes must still be taken."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._all_is_taken()

    def on_response_complete(self) -> None:
        """Have the client take the end of an answer after which the connection closes, or of a live stream."""
        super().on_response_complete()
        self._streaming = False
        if self.transport.is_closing() or self.flow.write_paused:
            self._expect_taking()

    def timeout_keep_alive_handler(self) -> None:
        """Close, and have the client take what is left."""
        super().timeout_keep_alive_handler()
        self._expect_taking()

    def send_400_response(self, msg: str) -> None:
        """Refuse, and have the client take that."""
        super().send_400_response(msg)
        self._expect_taking()

    def _hold_little(self) -> None:
        self._streaming = True
        self.transport.set_write_buffer_limits(high=0)  # what the kernel does not take, the stream waits with
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up, b"408 Request Timeout")

    def _expect_body(self) -> None:
        """Whatever the application makes of the head, the body must end at some time, too.

        The application refuses what is late or long. This is for what still comes after it has refused.
        """
        if self._body_timer is None:
            self._body_timer = self.loop.call_later(2 * self.head_timeout_s, self.transport.abort)

    def _head_is_in(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _body_is_in(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _expect_taking(self) -> None:
        """Give what is unread its time: a connection that closes waits for it, for ever if nobody looks."""
        left = self.transport.get_write_buffer_size()
        if left and self._unread_timer is None:
            self._unread_timer = self.loop.call_later(self.send_timeout_s, self._look_whether_taken, left)

    def _look_whether_taken(self, before: int) -> None:
        self._unread_timer = None
        if self.transport.get_write_buffer_size() < before:
            self._expect_taking()
        else:
            self.transport.abort()

    def _all_is_taken(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _give_up(self, status: bytes) -> None:
        self._head_is_in()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            self.transport.close()
            self._expect_taking()


def cut_off(scope: Scope) -> None:
    """End a request's connection at once, without sending what it has not taken."""
    extension = scope.get("extensions", {}).get(_ABORT)
    if extension is not None:
        extension["abort"]()


def hold_little(scope: Scope) -> None:
    """Hold no more than `UNREAD_BYTES`, and one message, of what a request's client does not read."""
    extension = scope.get("extensions", {}).get(_SPARE)
    if extension is not None:
        extension["spare"]()
