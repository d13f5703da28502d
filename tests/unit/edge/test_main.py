"""The node's listening socket."""

import socket
from contextlib import closing

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.devservers.ports import LOOPBACK
from bannerstream.edge.main import listening_socket
from bannerstream.settings import EdgeSettings


def test_answers_are_sent_at_once_whichever_event_loop_runs() -> None:
    with (
        closing(listening_socket(EdgeSettings(host=LOOPBACK, port=0))) as listener,
        socket.create_connection(listener.getsockname()[:2]),
    ):
        accepted, _ = listener.accept()
        with closing(accepted):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_port_that_is_taken_names_the_settings() -> None:
    with (
        closing(listening_socket(EdgeSettings(host=LOOPBACK, port=0))) as first,
        pytest.raises(ConfigurationError, match=r"edge\.host, edge\.port"),
    ):
        listening_socket(EdgeSettings(host=LOOPBACK, port=first.getsockname()[1]))
