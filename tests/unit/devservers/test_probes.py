import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import http_answers, kafka_answers


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Serve one connection with these bytes."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def metadata(brokers: int) -> bytes:
    return struct.pack(">iii", 8, 0, brokers)


@pytest.mark.parametrize(
    ("answer", "ready"),
    [(metadata(1), True), (metadata(0), False), (b"", False), (b"\x00\x00\x00\x02ab", False)],
)
def test_a_broker_is_ready_when_it_names_itself(answer: bytes, ready: bool) -> None:
    with answering(answer) as port:
        assert kafka_answers(LOOPBACK, port) is ready


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"not http\r\n\r\n", False),
    ],
)
def test_an_s3_server_is_ready_when_it_answers_without_failing(answer: bytes, ready: bool) -> None:
    with answering(answer) as port:
        assert http_answers(LOOPBACK, port) is ready


def test_nobody_there_is_not_ready() -> None:
    port = free_port()
    assert not kafka_answers(LOOPBACK, port)
    assert not http_answers(LOOPBACK, port)
