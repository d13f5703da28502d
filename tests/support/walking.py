"""Folds one visitor's session event by event, and decides after each."""

from itertools import count

from hypothesis import strategies as st

from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.streams.affinity import Catalogue, Decision, Policy, UserState, fold, settle
from tests.support.shop import DAY, NOON, POLICY, PRODUCTS, catalogue

CATALOGUE = catalogue()
VIEW, CLICK, CART, PURCHASE = InteractionKind
YEARS = 5 * 365 * DAY

interactions = st.builds(
    Interaction,
    event_id=st.uuids().map(str),
    user_id=st.just("ada"),
    kind=st.sampled_from(InteractionKind),
    product_ids=st.lists(st.sampled_from([product.product_id for product in PRODUCTS]), min_size=1, max_size=4).map(
        tuple
    ),
    occurred_at=st.one_of(st.integers(NOON - YEARS, NOON), st.integers(NOON - 60_000, NOON)),
)
sessions = st.lists(interactions, min_size=1, max_size=40)


event_ids = (f"e-{number}" for number in count())


def event(kind: InteractionKind, *product_ids: str, at: int = NOON, event_id: str | None = None) -> Interaction:
    return Interaction(
        event_id=event_id or next(event_ids), user_id="ada", kind=kind, product_ids=product_ids, occurred_at=at
    )


def walk(
    state: UserState,
    *events: Interaction,
    rules: Policy = POLICY,
    shop: Catalogue = CATALOGUE,
    start: int | None = None,
) -> list[tuple[int, Decision | None]]:
    """Fold and decide event by event; return the announced decisions with their epochs."""
    announced = []
    first = state.offsets.get("clicks", -1) + 1 if start is None else start
    for offset, interaction in enumerate(events, first):
        effect = fold(state, interaction, topic="clicks", offset=offset, catalogue=shop, policy=rules)
        if effect == "folded" and settle(state, shop, rules):
            announced.append((state.epoch, state.decision))
    return announced


def new() -> UserState:
    return UserState(POLICY.half_life_ms)


def shown(state: UserState) -> tuple[str, str] | None:
    return (state.decision.product_id, state.decision.cohort_id) if state.decision else None
