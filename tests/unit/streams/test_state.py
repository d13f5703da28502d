"""A visitor's packed state: round trips, older versions, and the promised size limit."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.streams.affinity import Decision, UserState, pack, seen_at_ms_of, unpack
from bannerstream.streams.affinity.folding import touch
from bannerstream.streams.affinity.policy import MAX_PURCHASES
from bannerstream.streams.errors import BrokenState, UnknownStateVersion
from tests.support.shop import COHORTS, DAY, NOON, POLICY, catalogue, policy, product
from tests.support.stored_states import OF_VERSION_1
from tests.support.walking import PURCHASE, VIEW, event, new, sessions, shown, walk


@given(sessions)
def test_a_state_survives_packing(session):
    state = new()
    walk(state, *session)
    assert unpack(pack(state)) == state


@pytest.mark.parametrize("packed", [b"", b"\x03\x90", b"not a state"])
def test_a_state_of_another_version_is_refused_with_what_to_do(packed):
    for read in (unpack, seen_at_ms_of):
        with pytest.raises(UnknownStateVersion, match="changelog"):
            read(packed)


@pytest.mark.parametrize("packed", [b"\x01\xff", b"\x02\xff", b"\x02\x90"])
def test_a_damaged_state_is_told_from_one_of_another_version(packed):
    for read in (unpack, seen_at_ms_of):
        with pytest.raises(BrokenState, match="changelog"):
            read(packed)


@given(sessions)
def test_the_latest_event_time_is_read_without_the_rest(session):
    state = new()
    walk(state, *session)
    assert seen_at_ms_of(pack(state)) == state.seen_at_ms == max(each.occurred_at for each in session)


def test_a_state_of_version_1_is_read_on():
    state = unpack(OF_VERSION_1)
    assert state == UserState(
        half_life_ms=7 * DAY,
        landmark_ms=NOON,
        seen_ms=0,
        epoch=4,
        decision=Decision("novel", "bookish", 0x8D657531B7DD099F, 0),
        offsets={"clicks": 5, "purchases": 3},
        scores={
            "cosy": pytest.approx(9.309576286056247, rel=1e-12),
            "sporty": pytest.approx(2.0508383900190945, rel=1e-12),
            "bookish": pytest.approx(9.79210738692583, rel=1e-12),
        },
        touched={"shoe": -9 * DAY, "candle": -3_600_000, "lamp": -3_600_000, "blanket": -1, "novel": 0},
        purchased={"lamp": 30 * DAY - 60_000},
    )
    assert list(state.touched) == ["shoe", "candle", "lamp", "blanket", "novel"]
    assert seen_at_ms_of(OF_VERSION_1) == NOON
    assert walk(state, event(VIEW, "novel", at=NOON + 1)) == []
    assert list(state.touched) == ["candle", "lamp", "blanket", "novel"]
    assert unpack(pack(state)) == state


def test_a_damaged_state_of_version_1_is_broken():
    with pytest.raises(BrokenState):
        unpack(OF_VERSION_1[:-1])


def test_a_state_that_is_but_offsets_is_small():
    marker = UserState(POLICY.half_life_ms, offsets={"clicks": 2**40, "purchases": 2**40})
    assert len(pack(marker)) <= 60
    walk(marker, event(VIEW, "mug"), start=2**40)
    assert marker.scores == {}
    walk(marker, event(VIEW, "mug"), start=2**40 + 1)
    assert shown(marker) == ("mug", "cosy")


def test_a_typical_state_is_small():
    """Six products of 15 characters in five cohorts, and a full window, which takes 64 bytes."""
    cohorts = tuple(msgspec.structs.replace(COHORTS[0], cohort_id=f"cohort-{each}") for each in range(5))
    goods = [product(f"product-{each:07}", {f"cohort-{each % 5}": 1.0}) for each in range(6)]
    views = [event(VIEW, goods[each % 6].product_id, at=NOON + each * DAY) for each in range(9)]
    rules = policy(products_per_user=12, duplicate_window=8)
    state = new()
    walk(state, *views, rules=rules, shop=catalogue(*goods, cohorts=cohorts), start=10**6)
    assert (len(state.scores), len(state.touched), len(state.recent)) == (5, 6, 64)
    assert len(pack(state)) <= 362


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 9)), max_size=30), st.integers(1, 8))
def test_touches_are_kept_in_the_order_of_time_and_id_whatever_order_they_came_in(touches, kept):
    touched: dict[str, int] = {}
    latest: dict[str, int] = {}
    for product_id, at in touches:
        touch(touched, product_id, at, kept)
        latest[product_id] = max(at, latest.get(product_id, at))
    expected = sorted(latest.items(), key=lambda item: (item[1], item[0]))[-kept:]
    assert list(touched.items()) == expected


def test_the_largest_state_fits_the_promised_bound():
    rules = policy(max_cohorts=4, products_per_user=9, duplicate_window=1000, suppress_ms=10**12)
    wide = "\U0001f9e6" * 120
    cohorts = {f"{number:02}" + "c" * 62: 0.5 for number in range(8)}
    goods = [product(f"{wide}{number:04}", cohorts) for number in range(400)]
    shop = catalogue(*goods, cohorts=tuple(msgspec.structs.replace(COHORTS[0], cohort_id=each) for each in cohorts))
    state = new()
    for number, viewed in enumerate(goods):
        walk(state, event(VIEW, viewed.product_id, at=NOON + number), rules=rules, shop=shop)
        walk(state, event(PURCHASE, viewed.product_id, at=NOON + number), rules=rules, shop=shop)
    assert len(state.purchased) == MAX_PURCHASES
    assert (len(state.scores), len(state.touched), len(state.recent)) == (4, 9, 800 * 8)
    assert len(pack(state)) <= rules.max_state_bytes()


def test_limits_that_would_outgrow_a_kafka_record_are_refused():
    with pytest.raises(ConfigurationError, match=r"streams\.max_cohorts = 256"):
        policy(max_cohorts=256, products_per_user=2000)
