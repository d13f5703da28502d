"""The affinity core: properties of every session, and the rules of deciding one by one."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.contracts.errors import UnknownProduct
from bannerstream.streams.affinity import KIND_WEIGHTS, UserState, fold, pack
from bannerstream.streams.affinity.fingerprints import contains_fingerprint
from tests.support.shop import DAY, NOON, POLICY, PRODUCTS, catalogue, policy, product
from tests.support.walking import (
    CART,
    CATALOGUE,
    CLICK,
    PURCHASE,
    VIEW,
    YEARS,
    event,
    new,
    sessions,
    shown,
    walk,
)


def scores_now(state: UserState) -> dict[str, Fraction]:
    """Return the exact scores as of the visitor's latest event, without those that may round to 0."""
    decayed = {
        cohort_id: Fraction(score) / power_of_two(Fraction(state.seen_ms, state.half_life_ms))
        for cohort_id, score in state.scores.items()
    }
    return {each: score for each, score in decayed.items() if score > max(decayed.values()) / 2**1000}


def power_of_two(exponent: Fraction) -> Fraction:
    """Return 2^exponent of any size, with a relative error of 2^-52."""
    whole = exponent.numerator // exponent.denominator
    return Fraction(2) ** whole * Fraction(2.0 ** float(exponent - whole))


def agree(one: dict[str, Fraction], other: dict[str, Fraction]) -> bool:
    """Return whether these scores are equal within the promised error.

    A score near 2^-1000 of the strongest may count or not; what is clearly above that has to.
    """
    clear = {each for scores in (one, other) for each, score in scores.items() if score > max(scores.values()) / 2**990}
    return clear <= one.keys() & other.keys() and all(abs(one[each] / other[each] - 1) < 1e-9 for each in clear)


# ---- scores


@given(sessions, st.randoms(use_true_random=False))
def test_any_order_of_the_same_events_gives_the_same_scores_and_memories(session, random):
    rules = policy(half_life_ms=DAY)
    shuffled = random.sample(session, len(session))
    one, other = UserState(DAY), UserState(DAY)
    walk(one, *session, rules=rules)
    walk(other, *shuffled, rules=rules)
    assert agree(scores_now(one), scores_now(other))
    assert one.scores.keys() == other.scores.keys()
    assert absolute(one, one.touched) == absolute(other, other.touched)
    assert dict(absolute(one, one.purchased)) == dict(absolute(other, other.purchased))
    assert one.seen_at_ms == other.seen_at_ms


def absolute(state: UserState, times: dict[str, int]) -> list[tuple[str, int]]:
    return [(product_id, state.landmark_ms + time) for product_id, time in times.items()]


@given(sessions)
def test_scores_are_the_sums_of_decayed_weights(session):
    """Compares with exact rational arithmetic over powers of two that doubles cannot hold."""
    state = UserState(DAY)
    walk(state, *session, rules=policy(half_life_ms=DAY))
    expected: dict[str, Fraction] = {}
    for interaction in session:
        for product_id in interaction.product_ids:
            for cohort_id, weight in CATALOGUE.memberships(product_id).items():
                decayed = power_of_two(Fraction(interaction.occurred_at - state.seen_at_ms, DAY))
                score = Fraction(KIND_WEIGHTS[interaction.kind] * weight) * decayed
                expected[cohort_id] = expected.get(cohort_id, Fraction(0)) + score
    assert state.scores.keys() == expected.keys()
    assert agree(scores_now(state), expected)


def test_a_half_life_of_a_second_over_a_century_stays_in_range():
    century, rules = 100 * 365 * DAY, policy(half_life_ms=1000)
    state = UserState(1000)
    walk(state, event(CART, "shoe", at=NOON), event(VIEW, "mug", at=NOON + century), rules=rules)
    assert state.scores == {"sporty": 0.0, "cosy": 1.0}
    walk(state, event(CART, "shoe", at=NOON + 1), event(CLICK, "shoe", at=NOON + century + 1000), rules=rules)
    assert state.scores == {"sporty": 4.0, "cosy": 1.0}
    assert absolute(state, state.touched) == [("mug", NOON + century), ("shoe", NOON + century + 1000)]


def test_a_landmark_that_moves_far_loses_no_score_that_counts():
    """A factor of 2^-1100 between two events; a score of 2^150 then stays within a double's range."""
    rules = policy(half_life_ms=DAY)
    first, second, third = (
        event(VIEW, "mug", at=NOON),
        event(VIEW, "novel", at=NOON + 150 * DAY),
        event(VIEW, "shoe", at=NOON + 1100 * DAY),
    )
    in_order, late = (UserState(DAY), UserState(DAY))
    walk(in_order, first, second, third, rules=rules)
    walk(late, third, first, second, rules=rules)
    assert agree(scores_now(in_order), scores_now(late))
    assert in_order.scores["bookish"] == pytest.approx(late.scores["bookish"], rel=1e-9)
    assert 0 < late.scores["bookish"] < 2.0**-900


def test_an_event_one_half_life_later_counts_double():
    state = new()
    walk(state, event(VIEW, "mug"), event(VIEW, "shoe", at=NOON + POLICY.half_life_ms))
    assert state.scores == {"cosy": 1.0, "sporty": 2.0}


@given(sessions, st.integers(DAY, DAY * 30), st.integers(DAY, DAY * 30))
def test_another_half_life_keeps_the_scores_as_of_the_last_event(session, old, new_):
    state = UserState(old)
    walk(state, *session, rules=policy(half_life_ms=old))
    before = scores_now(state)
    walk(state, event(VIEW, "shoe", at=state.seen_at_ms - YEARS * 20), rules=policy(half_life_ms=new_))
    after = scores_now(state)
    assert state.half_life_ms == new_
    assert agree(
        {each: after[each] for each in before.keys() & after.keys()},
        {each: before[each] for each in before.keys() & after.keys()},
    )
    assert before.keys() - {"sporty"} == after.keys() - {"sporty"}


def test_a_visitor_keeps_their_tastes_when_the_half_life_setting_changes():
    state = new()
    walk(state, event(CART, "mug"), event(VIEW, "shoe"))
    walk(state, event(VIEW, "shoe", at=NOON + 10_000), rules=policy(half_life_ms=DAY))
    assert shown(state) == ("mug", "cosy")


# ---- replays


@given(sessions, st.data())
def test_a_replay_of_any_stretch_changes_nothing(session, data):
    state = new()
    walk(state, *session)
    before = pack(state)
    start = data.draw(st.integers(0, len(session)))
    assert walk(state, *session[start:], start=start) == []
    assert pack(state) == before


def test_offsets_of_different_topics_do_not_hide_each_other():
    state = new()
    rest = {"catalogue": CATALOGUE, "policy": POLICY}
    assert fold(state, event(VIEW, "mug"), topic="clicks", offset=9, **rest) == "folded"
    assert fold(state, event(PURCHASE, "mug"), topic="purchases", offset=3, **rest) == "folded"
    assert fold(state, event(VIEW, "mug"), topic="clicks", offset=9, **rest) == "replayed"
    assert state.offsets == {"clicks": 9, "purchases": 3}


# ---- what is sent twice


def test_a_resent_event_changes_nothing_but_the_applied_offset():
    state = new()
    walk(state, event(VIEW, "mug", event_id="one"), event(VIEW, "shoe"))
    before = state.copy()
    again = event(CART, "mug", event_id="one", at=NOON + DAY)
    assert fold(state, again, topic="clicks", offset=7, catalogue=CATALOGUE, policy=POLICY) == "duplicate"
    before.offsets["clicks"] = 7
    assert state == before


def test_the_window_holds_the_last_events_of_a_visitor():
    rules = policy(duplicate_window=2)
    state = new()
    walk(state, *(event(VIEW, "mug", event_id=each) for each in "abc"), rules=rules)
    rest = {"topic": "clicks", "catalogue": CATALOGUE, "policy": rules}
    assert fold(state, event(VIEW, "mug", event_id="b"), offset=10, **rest) == "duplicate"
    assert fold(state, event(VIEW, "mug", event_id="a"), offset=11, **rest) == "folded"
    assert len(state.recent) == 2 * 8


def test_without_a_window_every_event_counts():
    rules = policy(duplicate_window=0)
    state = new()
    walk(state, *(event(VIEW, "mug", event_id="one") for _ in range(3)), rules=rules)
    assert state.scores == {"cosy": 3.0}
    assert state.recent == b""


def test_clicks_and_orders_may_share_their_numbers():
    state = new()
    rest = {"offset": 0, "catalogue": CATALOGUE, "policy": POLICY}
    assert fold(state, event(VIEW, "mug", event_id="1"), topic="clicks", **rest) == "folded"
    assert fold(state, event(PURCHASE, "mug", event_id="1"), topic="purchases", **rest) == "folded"


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=5), st.integers(0, 32))
def test_a_mark_is_one_of_those_remembered_and_not_pieces_of_two(marks, start):
    recent = b"".join(marks)
    mark = recent[start : start + 8].ljust(8, b"x")
    assert contains_fingerprint(recent, mark) == (mark in marks)


def test_a_mark_behind_the_same_bytes_out_of_step_is_found():
    assert contains_fingerprint(b"........" + b"\0" * 16, b"\0" * 8)
    assert contains_fingerprint(b"1234567\0" + b"\0" * 8, b"\0" * 8)


# ---- decisions


@settings(max_examples=200)
@given(sessions, st.integers(0, 4))
def test_a_decision_never_names_what_was_just_bought_and_epochs_grow(session, margin):
    rules = policy(margin=margin / 4)
    state, epoch = new(), 0
    bought: dict[str, int] = {}
    for interaction in session:
        announced = walk(state, interaction, rules=rules)
        if interaction.kind is PURCHASE:
            for product_id in interaction.product_ids:
                bought[product_id] = max(bought.get(product_id, 0), interaction.occurred_at)
        if state.decision is not None:
            assert state.decision.product_id in CATALOGUE.products
            assert bought.get(state.decision.product_id, 0) + rules.suppress_ms <= state.seen_at_ms or (
                state.decision.product_id not in bought
            )
        for number, decision in announced:
            assert number == epoch + 1
            assert decision.banner_fingerprint == CATALOGUE.banner_fingerprint(decision.product_id, decision.cohort_id)
            epoch = number


def test_unknown_product_leaves_the_state_as_it_was():
    state = new()
    walk(state, event(VIEW, "mug"))
    before = pack(state)
    with pytest.raises(UnknownProduct, match="bannerstream dlq replay"):
        fold(state, event(PURCHASE, "mug", "ghost"), topic="clicks", offset=7, catalogue=CATALOGUE, policy=POLICY)
    assert pack(state) == before


def test_the_last_touched_product_of_the_strongest_cohort_is_shown():
    state = new()
    walk(
        state,
        event(CART, "mug", at=NOON),
        event(VIEW, "blanket", at=NOON + 6_000),
        event(VIEW, "shoe", at=NOON + 12_000),
    )
    assert shown(state) == ("blanket", "cosy")


def test_a_late_event_moves_the_scores_but_not_the_last_touched_product():
    state = new()
    walk(state, event(VIEW, "mug", at=NOON), event(VIEW, "blanket", at=NOON - 60_000))
    assert shown(state) == ("mug", "cosy")


def test_a_cohort_that_leads_by_less_than_the_margin_does_not_take_over():
    state, rules = new(), policy(margin=0.5, min_interval_ms=0)
    walk(state, event(CLICK, "mug"), event(CLICK, "shoe"), event(VIEW, "shoe", at=NOON), rules=policy(margin=0.6))
    assert shown(state) == ("mug", "cosy")
    walk(state, event(VIEW, "shoe", at=NOON + 1), rules=rules)
    assert shown(state) == ("shoe", "sporty")


def test_nothing_changes_within_the_minimum_interval():
    state = new()
    walk(state, event(VIEW, "mug"), event(CART, "shoe", at=NOON + 4_999))
    assert shown(state) == ("mug", "cosy")
    walk(state, event(VIEW, "shoe", at=NOON + 5_000))
    assert shown(state) == ("shoe", "sporty")


def test_a_purchase_of_what_is_shown_replaces_it_at_once():
    state = new()
    announced = walk(state, event(VIEW, "mug"), event(PURCHASE, "mug", at=NOON + 1))
    assert shown(state) == ("blanket", "cosy")
    assert [epoch for epoch, _ in announced] == [1, 2]


def test_when_a_cohort_is_bought_out_the_next_one_is_shown():
    state = new()
    goods = ("mug", "blanket", "candle", "novel", "lamp")
    walk(state, event(VIEW, "shoe"), event(PURCHASE, *goods, at=NOON + 60_000))
    assert shown(state) == ("shoe", "sporty")


def test_when_all_is_bought_nothing_is_shown_until_the_suppression_ends():
    shop = catalogue(PRODUCTS[0], PRODUCTS[3])
    state = new()
    walk(state, event(VIEW, "mug"), event(PURCHASE, "mug", at=NOON + 1), shop=shop)
    assert shown(state) is None
    announced = walk(state, event(VIEW, "mug", at=NOON + 1 + POLICY.suppress_ms), shop=shop)
    assert shown(state) == ("mug", "cosy")
    assert [epoch for epoch, _ in announced] == [2]


def test_a_product_that_left_the_catalogue_is_replaced_at_once():
    state = new()
    walk(state, event(CLICK, "mug"))
    walk(state, event(VIEW, "shoe", at=NOON + 1), shop=catalogue(*PRODUCTS[1:]))
    assert shown(state) == ("blanket", "cosy")


def test_a_product_whose_facts_changed_is_shown_under_its_new_banner_key():
    state = new()
    walk(state, event(VIEW, "mug"))
    old = state.decision.banner_fingerprint
    shop = catalogue(product("mug", {"cosy": 1.0}, title="Larger mug"), *PRODUCTS[1:])
    walk(state, event(VIEW, "mug", at=NOON + 1), shop=shop)
    assert shown(state) == ("mug", "cosy")
    assert state.decision.banner_fingerprint == int(shop.banner_key("mug", "cosy")[:16], 16) != old
    assert state.epoch == 2


def test_a_cohort_that_the_catalogue_does_not_hold_counts_as_not_named():
    state = new()
    walk(state, event(VIEW, "ball"))
    assert state.scores.keys() == {"sporty"}
