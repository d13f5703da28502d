from statistics import fmean

import pytest

from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.keys import user_key
from bannerstream.settings import Settings
from bannerstream.streams.affinity import unpack
from bench.arena import resting
from bench.arena.workload import PARTITIONS, Workload, draw, partition_of, poisoned, records

NOW = 1_790_000_000_000


def test_states_at_rest_are_those_of_visitors_with_several_events():
    states = [unpack(each) for each in resting.templates(offset=750_000, now_ms=NOW)]
    assert len(states) == resting.TEMPLATES
    assert all(each.offsets == {"clicks": 750_000} for each in states)
    assert all(each.decision is not None and each.epoch >= 1 for each in states)
    assert 5 < fmean(len(each.touched) for each in states) <= resting.EVENTS_PER_USER
    assert all(NOW - resting.SPREAD_MS < each.seen_at_ms <= NOW for each in states)


def test_a_changelog_holds_a_state_of_each_visitor_in_the_partition_of_the_visitors_events():
    entries = list(resting.changelog(500))
    secret = Settings().privacy.user_key_secret.get_secret_value().encode()
    assert [key.decode() for key, *_ in entries] == [user_key(f"visitor-{each}", secret) for each in range(500)]
    assert [number for _, _, number, _ in entries] == [partition_of(b"visitor-%d" % each) for each in range(500)]
    assert {number for _, _, number, _ in entries} == set(range(PARTITIONS))
    assert all(unpack(packed).offsets == {"clicks": -1} for _, packed, *_ in entries)


def test_states_take_what_they_hold_and_little_more():
    weight = resting.weigh(20_000, "common")
    assert weight.key_bytes in {12, 13}
    assert weight.packed < weight.counted
    # The dict grows by doubling and the allocator in arenas: the two agree roughly, or one of them is wrong.
    assert weight.resident == pytest.approx(weight.counted, rel=0.4)


def test_poison_is_what_no_event_can_be():
    drawn = draw(Workload(50, "uniform", 1_000), NOW)
    good, bad = list(records(drawn, 50)), list(poisoned(records(drawn, 50), 100))
    spoiled = [number for number in range(1_000) if good[number] != bad[number]]
    assert spoiled == list(range(0, 1_000, 100))
    for number in spoiled:
        key, value, *_ = bad[number]
        assert key == good[number][0]
        with pytest.raises(InvalidRecord):
            decode_event(value, "clicks", "auto", received_at=NOW, max_future_ms=1, max_age_ms=1)


def test_no_poison_changes_nothing():
    drawn = draw(Workload(50, "uniform", 100), NOW)
    assert list(poisoned(records(drawn, 50), 0)) == list(records(drawn, 50))
