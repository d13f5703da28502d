"""The metrics page: there while the service runs, and a port that is taken is told as the setting that it is."""

import socket
import threading
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Gauge

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.devservers.ports import free_port
from bannerstream.service.metrics_server import served_metrics


def test_the_page_is_there_while_the_block_runs_and_its_port_is_free_after() -> None:
    registry, port = CollectorRegistry(), free_port()
    Gauge("visitors", "Those who came", registry=registry).set(7)
    with (
        served_metrics(port, registry, setting="streams.metrics_port"),
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page,
    ):
        assert b"visitors 7.0" in page.read()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
        pass


def test_a_port_that_is_taken_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=rf"streams\.metrics_port: port {port} "),
            served_metrics(port, CollectorRegistry(), setting="streams.metrics_port"),
        ):
            pass


def test_the_page_is_bound_to_the_address_of_the_setting() -> None:
    port = free_port()
    with served_metrics(port, CollectorRegistry(), setting="streams.metrics_port", host="127.0.0.1"):
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            assert page.status == 200
        with (
            pytest.raises(OSError, match=r"refused|unreachable|assign"),
            socket.create_connection(("127.0.0.2", port), 5),
        ):
            pass


def test_an_address_of_another_machine_names_the_setting() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"streams\.metrics_host"),
        served_metrics(free_port(), CollectorRegistry(), setting="streams.metrics_port", host="192.0.2.1"),
    ):
        pass


def test_port_0_serves_nothing() -> None:
    before = threading.active_count()
    with served_metrics(0, CollectorRegistry(), setting="streams.metrics_port"):
        assert threading.active_count() == before
