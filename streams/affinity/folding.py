"""Applying one interaction to one visitor's state."""

from collections.abc import Mapping
from heapq import nlargest
from typing import Literal

import msgspec

from bannerstream.contracts.errors import UnknownProduct
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.streams.affinity.catalogue import Catalogue
from bannerstream.streams.affinity.fingerprints import append_fingerprint, contains_fingerprint, fingerprint_of, seed_of
from bannerstream.streams.affinity.policy import MAX_PURCHASES, Policy
from bannerstream.streams.affinity.scores import MAX_HALVINGS, decayed
from bannerstream.streams.affinity.state import UserState

FoldResult = Literal["folded", "replayed", "duplicate"]

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
) -> FoldResult:
    """Apply the interaction at (topic, offset) to `state`, whole, and return "folded".

    "replayed": the offset was applied before; the state is unchanged. "duplicate": one of the last
    `policy.duplicate_window` events of this visitor in this topic had the same id; only the offset is noted.

    The scores do not depend on the order of events (within 1e-9, relatively; see `streams.affinity.scores` for what
    counts as nothing), nor do the remembered products and purchases. The exception is a visitor of more than
    `policy.max_cohorts` cohorts: there the weakest is forgotten, and which one that is depends on what came before.

    Raises:
        UnknownProduct: the catalogue lacks one of the products; the state is unchanged.
    """
    if offset <= state.offsets.get(topic, -1):
        return "replayed"
    fingerprint = fingerprint_of(interaction.event_id, seed_of(topic))
    if policy.duplicate_window and contains_fingerprint(state.recent, fingerprint):
        state.offsets[topic] = offset
        return "duplicate"
    memberships = {each: _memberships(each, catalogue) for each in interaction.product_ids}
    _move_landmark(state, interaction.occurred_at, policy)
    since = interaction.occurred_at - state.landmark
    unit = KIND_WEIGHTS[interaction.kind] * decayed(since, state.half_life_ms)
    state.offsets[topic] = offset
    state.seen = max(state.seen, since)
    for product_id in interaction.product_ids:
        for cohort_id, weight in memberships[product_id].items():
            state.scores[cohort_id] = state.scores.get(cohort_id, 0.0) + weight * unit
        if interaction.kind is InteractionKind.PURCHASE:
            until = since + policy.suppress_ms
            state.purchased[product_id] = max(until, state.purchased.get(product_id, until))
        else:
            touch(state.touched, product_id, since, policy.products_per_user)
    _forget(state, policy)
    state.recent = (
        append_fingerprint(state.recent, fingerprint, policy.duplicate_window) if policy.duplicate_window else b""
    )
    return "folded"


def touch(touched: dict[str, int], product_id: str, since: int, count: int) -> None:
    """Note a touch, in its place; keep the latest `count` products, of equal times those of the greater ids."""
    since = max(since, touched.pop(product_id, since))
    later: list[tuple[str, int]] = []
    while touched:
        other, at = touched.popitem()
        if (at, other) < (since, product_id):
            touched[other] = at
            break
        later.append((other, at))
    touched[product_id] = since
    touched.update(reversed(later))
    while len(touched) > count:
        del touched[next(iter(touched))]


def forget_weakest(scores: dict[str, float], count: int) -> None:
    """Keep the `count` strongest cohorts; of equal scores those of the greater ids."""
    while len(scores) > count:
        del scores[min(scores, key=lambda each: (scores[each], each))]


def _memberships(product_id: str, catalogue: Catalogue) -> Mapping[str, float]:
    found = catalogue.memberships(product_id)
    if found is None:
        raise UnknownProduct(
            f"the catalogue holds no product {product_id!r}; load it, then "
            "`bannerstream dlq replay --code unknown_product`"
        )
    return found


def _move_landmark(state: UserState, at: int, policy: Policy) -> None:
    """Place the landmark at a visitor's first event, and anew where an event at `at` could lead out of range.

    Also carry the scores over to a half-life that was set anew: they keep their value as of the last event.
    """
    if state.half_life_ms != policy.half_life_ms:
        _shift(state, state.seen_at)
        state.half_life_ms = policy.half_life_ms
    if state.landmark == 0 or at - state.landmark > MAX_HALVINGS * state.half_life_ms:
        _shift(state, at)


def _shift(state: UserState, landmark: int) -> None:
    """Express everything over another landmark, which is not before the present one."""
    by = landmark - state.landmark
    if not by:
        return
    # In two steps: the factor alone may be less than a double holds where a score times it is not.
    half = by // 2
    first, second = decayed(-half, state.half_life_ms), decayed(half - by, state.half_life_ms)
    state.landmark = landmark
    state.seen -= by
    if state.decision is not None:
        decision = state.decision
        state.decision = msgspec.structs.replace(decision, decided=decision.decided - by)
    for times in (state.touched, state.purchased):
        times.update({product_id: time - by for product_id, time in times.items()})
    state.scores.update({cohort_id: score * first * second for cohort_id, score in state.scores.items()})


def _forget(state: UserState, policy: Policy) -> None:
    for product_id in [each for each, until in state.purchased.items() if until <= state.seen]:
        del state.purchased[product_id]
    _keep_latest(state.purchased, MAX_PURCHASES)
    forget_weakest(state.scores, policy.max_cohorts)


def _keep_latest(times: dict[str, int], count: int) -> None:
    """Keep the `count` products of the latest times; of equal times the greater id, so that order does not matter."""
    if len(times) > count:
        kept = set(nlargest(count, times, key=lambda each: (times[each], each)))
        for product_id in [each for each in times if each not in kept]:
            del times[product_id]
