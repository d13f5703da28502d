"""Free ports on loopback."""

import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> tuple[int, ...]:
    """Return `count` different ports that nothing listens on right now.

    All are bound at the same time, so one call never returns a port twice. Another program can still take one before
    the server binds it; the server then ends at once, and its log shows why.
    """
    with ExitStack() as bound:
        sockets = [bound.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for socket_ in sockets:
            socket_.bind((LOOPBACK, 0))
        return tuple(int(socket_.getsockname()[1]) for socket_ in sockets)


def free_port() -> int:
    """Return one free port."""
    return free_ports(1)[0]
