"""The affinity core: properties that hold for every session, and the rules of deciding one by one."""

import math
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigurationError, UnknownProduct
from contracts.interactions import Interaction, InteractionKind
from streams.affinity import KIND_WEIGHTS, Policy, UserState, fold, pack, unpack
from streams.affinity.deciding import settle
from streams.affinity.policy import MAX_PURCHASES
from streams.affinity.scores import Score, add, beats, rescaled, weighed
from streams.errors import BrokenState, UnknownStateVersion
from tests.unit.streams.shop import COHORTS, DAY, NOON, POLICY, PRODUCTS, catalogue, product

CATALOGUE = catalogue()
VIEW, CLICK, CART, PURCHASE = InteractionKind
YEARS = 5 * 365 * DAY

interactions = st.builds(
    Interaction,
    event_id=st.uuids().map(str),
    user_id=st.just("ada"),
    kind=st.sampled_from(InteractionKind),
    product_ids=st.lists(st.sampled_from([each.product_id for each in PRODUCTS]), min_size=1, max_size=4).map(tuple),
    occurred_at=st.one_of(st.integers(NOON - YEARS, NOON), st.integers(NOON - 60_000, NOON)),
)
sessions = st.lists(interactions, min_size=1, max_size=40)


def event(kind: InteractionKind, *product_ids: str, at: int = NOON) -> Interaction:
    return Interaction(event_id="e", user_id="ada", kind=kind, product_ids=product_ids, occurred_at=at)


def policy(**changes: float) -> Policy:
    fields = {name: getattr(POLICY, name) for name in Policy.__slots__}
    return Policy(**(fields | changes))


def walk(
    state: UserState, *events: Interaction, rules: Policy = POLICY, shop=CATALOGUE, start: int | None = None
) -> list:
    """Fold and decide event by event; return the decisions that were announced, with their epochs."""
    announced = []
    first = state.offsets.get("clicks", -1) + 1 if start is None else start
    for offset, each in enumerate(events, first):
        if fold(state, each, topic="clicks", offset=offset, catalogue=shop, policy=rules) and settle(
            state, shop, rules
        ):
            announced.append((state.epoch, state.decision))
    return announced


def new() -> UserState:
    return UserState(POLICY.half_life_ms)


def shown(state: UserState) -> tuple[str, str] | None:
    return (state.decision.product_id, state.decision.cohort_id) if state.decision else None


def relative_difference(one: Score, other: Score) -> float:
    return abs(math.ldexp(one.mantissa / other.mantissa, one.exponent - other.exponent) - 1)


# ---- scores


@given(sessions, st.randoms(use_true_random=False))
def test_any_order_of_the_same_events_gives_the_same_scores_and_memories(session, random):
    rules = policy(half_life_ms=DAY)
    shuffled = random.sample(session, len(session))
    one, other = UserState(DAY), UserState(DAY)
    walk(one, *session, rules=rules)
    walk(other, *shuffled, rules=rules)
    assert one.cohorts.keys() == other.cohorts.keys()
    for cohort_id, affinity in one.cohorts.items():
        assert relative_difference(affinity.score, other.cohorts[cohort_id].score) < 1e-9
        assert affinity.touched == other.cohorts[cohort_id].touched
    assert one.purchased == other.purchased
    assert one.seen_at == other.seen_at


@given(sessions)
def test_scores_are_the_sums_of_decayed_weights(session):
    """Against exact rational arithmetic over the powers of two that doubles cannot hold."""
    state = UserState(DAY)
    walk(state, *session, rules=policy(half_life_ms=DAY))
    now = state.seen_at
    for cohort_id, affinity in state.cohorts.items():
        expected = sum(
            Fraction(
                KIND_WEIGHTS[each.kind] * product_.cohorts[cohort_id] * 2 ** (-((now - each.occurred_at) % DAY) / DAY)
            )
            / 2 ** ((now - each.occurred_at) // DAY)
            for each in session
            for product_ in PRODUCTS
            for _ in range(each.product_ids.count(product_.product_id))
            if cohort_id in product_.cohorts
        )
        one_now = weighed(1.0, now, DAY)
        value = (
            Fraction(affinity.mantissa)
            / Fraction(one_now.mantissa)
            * Fraction(2) ** (affinity.exponent - one_now.exponent)
        )
        assert abs(value / expected - 1) < 1e-9


def test_a_half_life_of_a_second_over_a_century_stays_finite():
    ages_ago, today = weighed(1.0, 0, 1000), weighed(1.0, 253_402_300_799_999, 1000)
    assert add(ages_ago, today) == today
    assert beats(today, ages_ago, 1.0)


def test_an_event_one_half_life_later_counts_double():
    assert add(weighed(1.0, NOON, DAY), weighed(1.0, NOON, DAY)) == weighed(1.0, NOON + DAY, DAY)


@given(st.floats(0.01, 1000), st.integers(1, DAY * 30), st.integers(1, DAY * 30))
def test_another_half_life_keeps_a_score_as_of_now(weight, old, new_):
    moved = rescaled(weighed(weight, NOON, old), NOON, old, new_)
    assert relative_difference(moved, weighed(weight, NOON, new_)) < 1e-9


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
    assert fold(state, event(VIEW, "mug"), topic="clicks", offset=9, catalogue=CATALOGUE, policy=POLICY)
    assert fold(state, event(PURCHASE, "mug"), topic="purchases", offset=3, catalogue=CATALOGUE, policy=POLICY)
    assert not fold(state, event(VIEW, "mug"), topic="clicks", offset=9, catalogue=CATALOGUE, policy=POLICY)
    assert state.offsets == {"clicks": 9, "purchases": 3}


# ---- packing and bounds


@given(sessions)
def test_a_state_survives_packing(session):
    state = new()
    walk(state, *session)
    assert unpack(pack(state)) == state


@pytest.mark.parametrize("packed", [b"", b"\x02\x90", b"not a state"])
def test_a_state_of_another_version_is_refused_with_what_to_do(packed):
    with pytest.raises(UnknownStateVersion, match="changelog"):
        unpack(packed)


def test_a_damaged_state_is_told_from_one_of_another_version():
    with pytest.raises(BrokenState, match="changelog"):
        unpack(b"\x01\xff")


def test_the_largest_state_fits_the_promised_bound():
    rules = policy(max_cohorts=4, products_per_cohort=3, suppress_ms=10**12)
    wide = "\U0001f9e6" * 120
    cohorts = {f"{number:02}" + "c" * 62: 0.5 for number in range(8)}
    goods = [product(f"{wide}{number:04}", cohorts) for number in range(400)]
    shop = catalogue(*goods, cohorts=tuple(msgspec.structs.replace(COHORTS[0], cohort_id=each) for each in cohorts))
    state = new()
    for number, each in enumerate(goods):
        walk(state, event(VIEW, each.product_id, at=NOON + number), rules=rules, shop=shop)
        walk(state, event(PURCHASE, each.product_id, at=NOON + number), rules=rules, shop=shop)
    assert len(state.purchased) == MAX_PURCHASES
    assert len(state.cohorts) == 4
    assert all(len(each.touched) == 3 for each in state.cohorts.values())
    assert len(pack(state)) <= rules.max_state_bytes()


def test_limits_that_would_outgrow_a_kafka_record_are_refused():
    with pytest.raises(ConfigurationError, match=r"streams\.max_cohorts = 256"):
        policy(max_cohorts=256, products_per_cohort=50)


# ---- decisions


@settings(max_examples=200)
@given(sessions, st.integers(0, 4))
def test_a_decision_never_names_what_was_just_bought_and_epochs_grow(session, margin):
    rules = policy(margin=margin / 4)
    state, epoch = new(), 0
    bought: dict[str, int] = {}
    for each in session:
        announced = walk(state, each, rules=rules)
        if each.kind is PURCHASE:
            for product_id in each.product_ids:
                bought[product_id] = max(bought.get(product_id, 0), each.occurred_at)
        if state.decision is not None:
            assert state.decision.product_id in CATALOGUE.products
            assert bought.get(state.decision.product_id, 0) + rules.suppress_ms <= state.seen_at or (
                state.decision.product_id not in bought
            )
        for number, decision in announced:
            assert number == epoch + 1
            assert decision.banner_key == CATALOGUE.banner_key(decision.product_id, decision.cohort_id)
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
    old = state.decision.banner_key
    shop = catalogue(product("mug", {"cosy": 1.0}, title="Larger mug"), *PRODUCTS[1:])
    walk(state, event(VIEW, "mug", at=NOON + 1), shop=shop)
    assert shown(state) == ("mug", "cosy")
    assert state.decision.banner_key == shop.banner_key("mug", "cosy") != old
    assert state.epoch == 2


def test_a_cohort_that_the_catalogue_does_not_hold_counts_as_not_named():
    state = new()
    walk(state, event(VIEW, "ball"))
    assert state.cohorts.keys() == {"sporty"}
