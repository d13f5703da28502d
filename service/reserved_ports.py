"""Ports on loopback for the child processes of one supervisor, reserved while they may be restarted."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_ports(count: int) -> Iterator[tuple[int, ...]]:
    """Yield `count` different free ports, which the system assigns to no other process while the block runs.

    Each is reserved by a bound socket that never listens. A server that sets SO_REUSEADDR, as Python's HTTP servers do,
    can still listen on it: bind(2) fails only while another socket listens there.
    """
    with ExitStack() as bound:
        sockets = [bound.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for socket_ in sockets:
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            socket_.bind(("", 0))  # macOS rejects a second socket at the same address; loopback is a different one
        yield tuple(int(socket_.getsockname()[1]) for socket_ in sockets)


def listens(port: int) -> bool:
    """Return whether a server accepts connections at this port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
