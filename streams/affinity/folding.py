"""Applying one interaction to one visitor's state."""

from collections.abc import Mapping
from heapq import nlargest

from contracts.errors import UnknownProduct
from contracts.interactions import Interaction, InteractionKind
from streams.affinity.catalogue import Catalogue
from streams.affinity.policy import MAX_PURCHASES, Policy
from streams.affinity.scores import Score, add, rescaled, weighed
from streams.affinity.state import Affinity, UserState

KIND_WEIGHTS: Mapping[InteractionKind, float] = {
    # Only the ratios matter. A shop sees each step several times less often than the one before it, and each tells
    # more of a taste; the weights grow more slowly than the steps get rare, so that an order does not outweigh all.
    InteractionKind.VIEW: 1.0,
    InteractionKind.CLICK: 2.0,
    InteractionKind.CART: 5.0,
    # A purchase speaks loudest for the cohorts, and takes its product off the banners.
    InteractionKind.PURCHASE: 10.0,
}


def fold(
    state: UserState, interaction: Interaction, *, topic: str, offset: int, catalogue: Catalogue, policy: Policy
) -> bool:
    """Apply the interaction at (topic, offset) to `state`, whole, and return True; return False for a replay.

    The scores do not depend on the order of events (within 1e-9, relatively), nor do the remembered products and
    purchases. The exception is a visitor of more than `policy.max_cohorts` cohorts: there the weakest is forgotten,
    and which one that is depends on what came before.

    Raises:
        UnknownProduct: the catalogue lacks one of the products; the state is unchanged.
    """
    if offset <= state.offsets.get(topic, -1):
        return False
    memberships = {each: _memberships(each, catalogue) for each in interaction.product_ids}
    at = interaction.occurred_at
    _adopt_half_life(state, policy)
    state.offsets[topic] = offset
    state.seen_at = max(state.seen_at, at)
    for product_id in interaction.product_ids:
        for cohort_id, weight in memberships[product_id].items():
            affinity = _scored(
                state, cohort_id, weighed(KIND_WEIGHTS[interaction.kind] * weight, at, state.half_life_ms)
            )
            if interaction.kind is not InteractionKind.PURCHASE:
                affinity.touched[product_id] = max(at, affinity.touched.get(product_id, 0))
                _keep_latest(affinity.touched, policy.products_per_cohort)
        if interaction.kind is InteractionKind.PURCHASE:
            until = at + policy.suppress_ms
            state.purchased[product_id] = max(until, state.purchased.get(product_id, 0))
    _forget(state, policy)
    return True


def _memberships(product_id: str, catalogue: Catalogue) -> Mapping[str, float]:
    found = catalogue.memberships(product_id)
    if found is None:
        raise UnknownProduct(
            f"the catalogue holds no product {product_id!r}; load it, then "
            "`bannerstream dlq replay --code unknown_product`"
        )
    return found


def _adopt_half_life(state: UserState, policy: Policy) -> None:
    """Carry the scores over to a half-life that was set anew: they keep their value as of the last event."""
    if state.half_life_ms == policy.half_life_ms:
        return
    for affinity in state.cohorts.values():
        affinity.score = rescaled(affinity.score, state.seen_at, state.half_life_ms, policy.half_life_ms)
    state.half_life_ms = policy.half_life_ms


def _scored(state: UserState, cohort_id: str, score: Score) -> Affinity:
    affinity = state.cohorts.get(cohort_id)
    if affinity is None:
        affinity = state.cohorts[cohort_id] = Affinity(score.exponent, score.mantissa, {})
    else:
        affinity.score = add(affinity.score, score)
    return affinity


def _forget(state: UserState, policy: Policy) -> None:
    for product_id in [each for each, until in state.purchased.items() if until <= state.seen_at]:
        del state.purchased[product_id]
    _keep_latest(state.purchased, MAX_PURCHASES)
    while len(state.cohorts) > policy.max_cohorts:
        del state.cohorts[min(state.cohorts, key=lambda each: (state.cohorts[each].score, each))]


def _keep_latest(times: dict[str, int], count: int) -> None:
    """Keep the `count` products of the latest times; of equal times the greater id, so that order does not matter."""
    if len(times) > count:
        kept = set(nlargest(count, times, key=lambda each: (times[each], each)))
        for product_id in [each for each in times if each not in kept]:
            del times[product_id]
