"""Ports that children of one supervisor keep over their restarts."""

import socket

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.service.metrics_relay import scrape
from bannerstream.service.metrics_server import served_metrics
from bannerstream.service.reserved_ports import LOOPBACK, listens, reserved_ports


def test_a_reserved_port_belongs_to_the_first_server_that_listens_on_it_and_again_after_that_one_ended() -> None:
    with reserved_ports(2) as (one, two):
        assert one != two
        for _ in range(2):
            assert not listens(one)
            with served_metrics(one, CollectorRegistry(), setting="test", host=LOOPBACK):
                assert listens(one)
                assert scrape(one) == []
        assert not listens(two)


def test_the_system_gives_a_reserved_port_to_nobody_else() -> None:
    with reserved_ports(1) as (port,), socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
