"""A node whose machine's clock is wrong learns its offset from the brokers, and dates as they do."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from bannerstream.edge.broker_clock import BrokerClock
from bannerstream.edge.metrics import EdgeMetrics
from tests.support.edge_node import Node, running_node

NOW_S = 1_800_000_000.0
CLICK = {"type": "click", "product_id": "mug"}
seconds = st.floats(0, 20)


class Machine:
    """A machine whose clock is ahead of the brokers' by `offset_s`."""

    def __init__(self, offset_s: float) -> None:
        self.true_s = NOW_S
        self.offset_s = offset_s
        self.metrics = EdgeMetrics(CollectorRegistry())
        self.clock = BrokerClock(self.metrics, lambda: self.true_s + self.offset_s, lambda: self.true_s - NOW_S)

    def write(self, to_broker_s: float, back_s: float) -> None:
        sent_s = self.clock.steady()
        self.true_s += to_broker_s
        appended_ms = int(self.true_s * 1000)
        self.true_s += back_s
        self.clock.learn(sent_s, self.clock.steady(), appended_ms)


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(seconds, seconds), min_size=1, max_size=6))
def test_what_is_left_of_an_offset_is_within_the_quickest_round(
    offset_s: float, rounds: list[tuple[float, float]]
) -> None:
    machine = Machine(offset_s)
    for to_broker_s, back_s in rounds:
        machine.write(to_broker_s, back_s)
    assert abs(machine.clock.now() - machine.true_s) <= min(map(sum, rounds)) + 0.002


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=6))
def test_a_clock_that_is_right_is_not_corrected(rounds: list[tuple[float, float]]) -> None:
    machine = Machine(0.0)
    for to_broker_s, back_s in rounds:
        machine.write(to_broker_s, back_s)
    assert machine.clock.now() == pytest.approx(machine.true_s, abs=1e-6)


def test_a_clock_that_is_set_right_is_followed() -> None:
    machine = Machine(600.0)
    machine.write(0.01, 0.01)
    machine.offset_s = 0.0
    machine.write(0.01, 0.01)
    assert machine.clock.now() == pytest.approx(machine.true_s, abs=0.03)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_clock_that_jumps_is_right_before_the_next_record(before_s: float, after_s: float) -> None:
    machine = Machine(before_s)
    machine.write(0.01, 0.01)
    machine.offset_s = after_s
    machine.true_s += 5
    assert machine.clock.now() == pytest.approx(machine.true_s, abs=0.03)


def test_the_metric_follows_a_clock_that_jumps() -> None:
    machine = Machine(0.0)
    machine.write(0.0, 0.0)
    machine.offset_s = 90.0
    machine.write(0.0, 0.0)
    assert machine.metrics.clock_offset._value.get() == pytest.approx(90.0, abs=0.01)


def test_topics_that_keep_the_times_of_clients_teach_nothing() -> None:
    machine = Machine(600.0)
    machine.clock.learn(NOW_S + 600, NOW_S + 601, None)
    assert machine.clock.now() == NOW_S + 600


@pytest.mark.parametrize("offset_s", [600.0, -600.0])
async def test_events_of_a_node_whose_clock_is_wrong_are_dated_as_the_brokers_do(offset_s: float) -> None:
    async with running_node(machine_clock=lambda: time.time() + offset_s) as node:
        node.sink.appended_at = lambda: time.time_ns() // 1_000_000
        await _click(node)
        begun_ms = time.time_ns() // 1_000_000
        await _click(node)
        (_, dated) = (json.loads(record.value or b"")["time"] for record in node.sink.records)
        assert begun_ms - 60_000 <= dated <= time.time_ns() // 1_000_000 + 60_000
        assert node.metric("bannerstream_edge_clock_offset_seconds") == pytest.approx(offset_s, abs=60)


async def _click(node: Node) -> None:
    node.announce("a")
    headers = {"Authorization": f"Bearer {node.edge.tokens.mint('ada')}"}
    assert (await node.client.post("/v1/events", json=CLICK, headers=headers)).status_code == 202


async def test_a_token_is_valid_by_the_brokers_clock(node: Node) -> None:
    """The shop's server and the brokers agree; this node's machine is an hour and more ahead."""
    async with running_node(machine_clock=lambda: time.time() + 4000) as wrong:
        token = {"Authorization": f"Bearer {node.edge.tokens.mint('ada')}"}
        assert (await wrong.client.get("/v1/banner", headers=token)).status_code == 401
        wrong.sink.appended_at = lambda: time.time_ns() // 1_000_000
        await _click(wrong)
        assert (await wrong.client.get("/v1/banner", headers=token)).status_code == 200
