"""The fast path equals the specification, `fold` and `decide`, or returns False."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bannerstream.contracts.errors import UnknownProduct
from bannerstream.contracts.inputs import PlainEvent
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.streams.affinity import Catalogue, Policy, UserState, fold, quick_fold, settle
from tests.support.shop import DAY, NOON, POLICY, PRODUCTS, catalogue, policy, product

VIEW, CLICK, CART, PURCHASE = InteractionKind
SHOP = catalogue()
CHANGED = catalogue(product("mug", {"cosy": 1.0, "bookish": 0.4}, title="Larger mug"), *PRODUCTS[2:])
REFUSING = SHOP.without({"mug", "shoe", "novel"})
POLICIES = (
    POLICY,
    policy(min_interval_ms=0, margin=0.0, duplicate_window=0),
    policy(half_life_ms=1000, max_cohorts=2, products_per_user=2, duplicate_window=1),
    policy(suppress_ms=10_000, min_interval_ms=60_000),
)

ADA = b"ada's key"


def in_turn(product_id: str, cohort_id: str, key: bytes, epoch: int) -> str:
    """Draw like an experiment: only from the arguments."""
    return f"{product_id}-{cohort_id}-{key.hex()}-{epoch % 3}"


products = st.sampled_from([*(each.product_id for each in PRODUCTS), "ghost"])
events = st.builds(
    lambda event_id, kind, single, several: PlainEvent(
        event_id, "ada", 0, **kind, **({"product_id": single} if not several else {"product_ids": several})
    ),
    st.sampled_from([f"e-{number}" for number in range(12)]),
    st.one_of(st.just({}), st.fixed_dictionaries({"kind": st.sampled_from(InteractionKind)})),
    products,
    st.one_of(st.just(()), st.just(()), st.lists(products, min_size=1, max_size=3).map(tuple)),
)
# Times that lie before, on and after the last one, within and past the intervals above, and out of range.
steps = st.tuples(
    events,
    st.sampled_from([-2_000_000, -3000, -1, 0, 0, 1, 1, 500, 4_999, 5_000, 10_000, 600_000, 40 * DAY]),
    st.integers(-1, 3),
    st.sampled_from([SHOP, SHOP, SHOP, CHANGED, REFUSING]),
)


BOUGHT = (("blanket", VIEW), ("mug", VIEW), ("mug", PURCHASE), ("shoe", VIEW))


def click(event_id: str, product_id: str, kind: InteractionKind = VIEW) -> PlainEvent:
    return PlainEvent(event_id, "ada", 0, kind, product_id)


def by_specification(
    state: UserState, event: PlainEvent, at: int, *, offset: int, shop: Catalogue, rules: Policy
) -> tuple[UserState, bool]:
    """Return the state after the event, and whether there is a new decision to announce."""
    after = state.copy()
    effect = fold(after, event.interaction("clicks", at), topic="clicks", offset=offset, catalogue=shop, policy=rules)
    return after, effect == "folded" and settle(after, shop, rules, in_turn, ADA)


@settings(max_examples=400)
@given(st.lists(steps, min_size=1, max_size=30), st.lists(st.sampled_from(POLICIES), min_size=1, max_size=3))
@example([(PlainEvent(f"e-{number}", "ada", 0, product_id="mug"), 1, 1, SHOP) for number in range(5)], [POLICY])
# Equal scores without a margin: the cohort of the greater id wins.
@example([(click("a", "mug"), 0, 1, SHOP), (click("b", "shoe"), 0, 1, SHOP)], [POLICIES[1]])
# The only product of the strongest cohort is dropped from what is remembered by the event itself.
@example(
    [(click(each, each, CART if each == "candle" else VIEW), 1, 1, SHOP) for each in ("candle", "shoe", "ball")],
    [policy(products_per_user=2, min_interval_ms=0)],
)
# The last touched product of the strongest cohort was bought.
@example(
    [(click(f"{each}{kind}", each, kind), 1, 1, SHOP) for each, kind in BOUGHT],
    [policy(min_interval_ms=0)],
)
def test_it_does_what_the_specification_says_or_nothing(session, rules_over_time):
    state = UserState(rules_over_time[0].half_life_ms, NOON, offsets={"clicks": -1})
    at, offset = NOON, 0
    for number, (event, later, further, shop) in enumerate(session):
        rules = rules_over_time[number * len(rules_over_time) // len(session)]
        at, offset = max(0, at + later), max(0, offset + further)
        before = state.copy()
        try:
            expected, is_new = by_specification(state, event, at, offset=offset, shop=shop, rules=rules)
        except UnknownProduct:
            expected, is_new = before, False
        if quick_fold("clicks", "clicks", shop, rules, in_turn)(state, event, at, offset, ADA):
            assert same(state, expected)
            assert (state.epoch > before.epoch) == is_new
        else:
            assert same(state, before)
        state = expected


def same(one: UserState, other: UserState) -> bool:
    """Compare states including the order of their products, which `==` of dicts ignores."""
    return one == other and list(one.touched) == list(other.touched)


def taken(session: list[PlainEvent], rules: Policy = POLICY) -> list[bool]:
    """Fold events one millisecond apart; return for each whether the fast path took it."""
    state, found = UserState(rules.half_life_ms, NOON, offsets={"clicks": -1}), []
    for offset, event in enumerate(session):
        expected, _ = by_specification(state, event, NOON + offset, offset=offset, shop=SHOP, rules=rules)
        found.append(quick_fold("clicks", "clicks", SHOP, rules, in_turn)(state, event, NOON + offset, offset, ADA))
        state = expected
    return found


def viewed(*product_ids: str) -> list[PlainEvent]:
    return [PlainEvent(f"e-{number}", "ada", 0, product_id=each) for number, each in enumerate(product_ids)]


@pytest.mark.parametrize("rules", [POLICY, policy(min_interval_ms=0)])
def test_what_is_common_is_taken_a_first_visit_and_another_cohort_included(rules):
    # The specification has named every banner once; the first of each is its own to hash.
    taken(viewed("mug", "candle", "mug", "shoe", "ball", "shoe", "novel", "novel", "novel"), policy(min_interval_ms=0))
    assert all(taken(viewed("mug", "candle", "mug", "shoe", "ball", "shoe", "novel", "novel", "novel"), rules))


@pytest.mark.parametrize("odd", [{"kind": PURCHASE, "product_id": "mug"}, {"product_ids": ("mug", "shoe")}])
def test_orders_and_several_products_are_left_to_the_specification(odd):
    SHOP.banner_fingerprint("mug", "cosy")
    assert taken([*viewed("mug"), PlainEvent("b", "ada", 0, **odd)]) == [True, False]


def test_what_is_not_told_to_be_a_click_is_a_purchase_on_the_topic_of_purchases():
    state = UserState(POLICY.half_life_ms, NOON, offsets={"purchases": -1})
    SHOP.banner_fingerprint("mug", "cosy")
    take = quick_fold("purchases", "purchases", SHOP, POLICY)
    assert not take(state, PlainEvent("a", "ada", 0, product_id="mug"), NOON, 0, ADA)
    assert take(state, PlainEvent("a", "ada", 0, product_id="mug", kind=VIEW), NOON, 0, ADA)
