"""The proxy of the fault tests, in front of an echo server."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bannerstream.devservers.errors import ServerFailed
from bannerstream.devservers.ports import LOOPBACK
from bannerstream.devservers.toxiproxy import Toxiproxy

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

PATIENCE_S = 10.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while received := self.request.recv(100):
            self.request.sendall(received)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Toxiproxy]:
    if (reason := Toxiproxy.why_unavailable()) is not None:
        pytest.skip(reason)
    proxy = Toxiproxy(tmp_path)
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Echo) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            proxy.start(f"{LOOPBACK}:{server.server_address[1]}")
            yield proxy
        finally:
            proxy.stop()
            server.shutdown()
            serving.join()


def connection(proxy: Toxiproxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), PATIENCE_S)


def echoed(through: socket.socket) -> bytes:
    through.sendall(b"hello")
    return through.recv(100)


def test_a_cut_closes_what_is_open_and_refuses_what_is_new_until_healed(proxy: Toxiproxy) -> None:
    with connection(proxy) as through:
        assert echoed(through) == b"hello"
        proxy.cut()
        assert through.recv(100) == b"", "the connection was closed"
    with pytest.raises(ConnectionRefusedError):
        connection(proxy)
    proxy.heal()
    with connection(proxy) as through:
        assert echoed(through) == b"hello"


def test_toxics_work_until_healed(proxy: Toxiproxy) -> None:
    proxy.add("limit_data", bytes=3)
    with connection(proxy) as through:
        assert echoed(through) == b"hel"
    proxy.heal()
    with connection(proxy) as through:
        assert echoed(through) == b"hello"


def test_a_toxic_that_it_does_not_take_is_an_error(proxy: Toxiproxy) -> None:
    proxy.add("latency", latency=1)
    with pytest.raises(ServerFailed, match="409"):
        proxy.add("latency", latency=2)
