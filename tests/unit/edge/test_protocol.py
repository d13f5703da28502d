"""A client that does not read is disconnected, on either event loop; a slow one gets the whole response."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from bannerstream.devservers.ports import LOOPBACK
from bannerstream.edge.protocol import LimitedHttpProtocol
from tests.support.waiting import PATIENCE_S, until

LARGE = 8 << 20
"""Bytes of an answer that the application has to wait with."""
LITTLE = 50_000
"""A response below the limit: less than the transport pauses at, more than the kernel takes (`_KERNEL_BYTES`)."""
_KERNEL_BYTES = 4_096

KEEP = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"
CLOSE = b"GET /%d HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
SENT = {
    "a large answer": (KEEP % LARGE, b""),
    "a large last answer": (CLOSE % LARGE, b""),
    "a little answer": (KEEP % LITTLE, b""),
    "a little last answer": (CLOSE % LITTLE, b""),
    "an answer, and sends no request after it": (KEEP % LITTLE, b"\x00\r\n\r\n"),
    "an answer, and sends a head without end": (KEEP % LITTLE, b"GET / HTTP/1.1\r\n"),
}
"""The request whose answer is not read, and what comes once it was answered."""

either_loop = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


async def app(scope: Any, receive: Any, send: Any) -> None:
    size = int(scope["path"].strip("/"))
    headers = [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * size})


@asynccontextmanager
async def serving(send_timeout_s: float, keep_alive_s: int) -> AsyncIterator[tuple[ServerState, tuple[str, int]]]:
    class Protocol(LimitedHttpProtocol):
        head_timeout_s = 0.2

    Protocol.send_timeout_s = send_timeout_s
    config = uvicorn.Config(app, timeout_keep_alive=keep_alive_s, log_config=None, access_log=False)
    state = ServerState()
    listener = socket.create_server((LOOPBACK, 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), sock=listener)
    try:
        yield state, listener.getsockname()
    finally:
        server.close()


async def connected(address: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
    await asyncio.get_running_loop().sock_connect(client, address)
    return client


@either_loop
@pytest.mark.parametrize("what", SENT)
def test_who_never_reads_is_let_go(new_loop: NewLoop, what: str) -> None:
    request, more = SENT[what]

    async def unread() -> None:
        async with serving(0.1, keep_alive_s=3600 if more else 0) as (state, address):
            loop = asyncio.get_running_loop()
            with await connected(address) as client:
                await loop.sock_sendall(client, request)
                await until(lambda: state.total_requests == 1)
                await loop.sock_sendall(client, more)
                await until(lambda: not state.connections)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(unread())


@either_loop
def test_who_reads_slowly_gets_all_of_it(new_loop: NewLoop) -> None:
    """In five times `send_timeout_s`: what counts is that something was taken since the last look."""

    async def slowly() -> None:
        async with serving(0.3, keep_alive_s=5) as (_, address):
            loop, taken = asyncio.get_running_loop(), 0
            with await connected(address) as client:
                await loop.sock_sendall(client, CLOSE % 200_000)
                async with asyncio.timeout(PATIENCE_S):
                    while piece := await loop.sock_recv(client, 8_000):
                        taken += len(piece)
                        await asyncio.sleep(0.03)
            assert taken > 200_000

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(slowly())
