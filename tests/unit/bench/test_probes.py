import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arena import probes
from bench.arena.load import entries, offer
from bench.arena.probes import Probe, longest_pause_s, percentile, schedule
from bench.arena.workload import EVENTS_PER_S, PARTITIONS, first_visits


def test_percentiles_are_values_that_were_measured():
    values = [float(each) for each in range(1, 1001)]
    assert percentile(values, 0.5) == 500
    assert percentile(values, 0.99) == 990
    assert percentile(values, 0.999) == 999
    assert percentile([7.0], 0.999) == 7


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_not_exceeded_by_its_share(values, share):
    found = percentile(values, share)
    assert sum(each <= found for each in values) >= share * len(values) - 1e-9
    assert sum(each < found for each in values) < share * len(values)


def test_nothing_measured_has_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_probes_are_due_at_their_rate_and_not_in_step():
    dues = schedule(10_000, 50)
    gaps = [b - a for a, b in pairwise(dues)]
    assert dues[0] == 0
    assert min(gaps) >= 0
    assert 0.9 < 50 * dues[-1] / len(dues) < 1.1
    assert max(gaps) > 3 / 50
    assert schedule(10_000, 50) == dues


def test_a_stall_is_felt_by_every_probe_that_was_due_in_it():
    stalled = [Probe(0, due_at=10 + each / 10, answered_at=12.0) for each in range(20)]
    flowing = [Probe(1, due_at=10 + each / 10, answered_at=10.01 + each / 10) for each in range(20)]
    assert longest_pause_s([*flowing, *stalled]) == 2.0
    assert percentile([each.latency_s for each in stalled], 0.5) > 0.9


def test_a_probe_without_an_answer_pauses_without_end():
    assert longest_pause_s([Probe(0, 1.0, 2.0), Probe(1, 1.0, None)]) == float("inf")


def test_each_probe_has_a_product_of_its_own():
    made = probes.products(50)
    assert len({each.product_id for each in made}) == 50
    assert all(each.rev for each in made)


def test_events_of_a_load_are_timed_by_its_rate():
    events = entries(users=100, per_s=2_000, seconds=0.5, begins_at=1_790_000_000.0)
    assert len(events) == 1_000
    times = [at for *_, at in events]
    assert times[0] == 1_790_000_000_000
    assert times[-1] - times[0] == 499
    assert EVENTS_PER_S != 2_000


def test_every_visitor_comes_once_before_the_load():
    keys = [key for key, *_ in first_visits(300, 1_790_000_000_000)]
    assert len(keys) == len(set(keys)) == 300


class Producer:
    """Notes what it was given, and refuses all but `most` at a time."""

    def __init__(self, most):
        self.keys = []
        self._most = most

    def produce_batch(self, topic, messages):
        taken = messages[: self._most]
        self.keys += [each["key"] for each in taken]
        return len(taken)

    def poll(self, timeout):
        return 0

    def flush(self):
        return 0


@pytest.mark.parametrize("most", [3, 10_000])
def test_an_offer_sends_every_event_once_and_in_order(most):
    events = [(b"%d" % each, b"", each % PARTITIONS, 0) for each in range(400)]
    producer = Producer(most)
    offered = offer(producer, events, per_s=100_000, begins_at=time.time())
    assert producer.keys == [key for key, *_ in events]
    assert 0 < offered.achieved_per_s <= 110_000


def test_what_is_sent_after_it_was_due_is_late():
    events = [(b"a", b"", 0, 0)] * 10
    assert offer(Producer(10), events, per_s=1_000, begins_at=time.time() - 5.0).late_ms >= 5_000
