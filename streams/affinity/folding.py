"""Applies one interaction to one visitor's state."""

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
    # Only the ratios matter. Each step is several times rarer than the one before it, and stronger evidence of a taste;
    # the weights grow more slowly than the steps get rare, so that one order does not outweigh everything.
    InteractionKind.VIEW: 1.0,
    InteractionKind.CLICK: 2.0,
    InteractionKind.CART: 5.0,
    # A purchase counts most for the cohorts, and removes its product from the banners.
    InteractionKind.PURCHASE: 10.0,
}


def fold(
    state: UserState, interaction: Interaction, *, topic: str, offset: int, catalogue: Catalogue, policy: Policy
) -> FoldResult:
    """Apply the interaction at (topic, offset) to `state` completely, and return "folded".

    "replayed": the offset was applied before; the state is unchanged. "duplicate": one of the last
    `policy.duplicate_window` events of this visitor in this topic had the same id; only the offset is stored.

    The scores do not depend on the order of events (within 1e-9, relative; `streams.affinity.scores` defines which
    scores round to 0), nor do the remembered products and purchases. The exception is a visitor with more than
    `policy.max_cohorts` cohorts: the weakest is dropped, and which one that is depends on earlier events.

    Raises:
        UnknownProduct: the catalogue lacks one of the products; the state is unchanged.
    """
    if offset <= state.offsets.get(topic, -1):
        return "replayed"
    fingerprint = fingerprint_of(interaction.event_id, seed_of(topic))
    if policy.duplicate_window and contains_fingerprint(state.recent, fingerprint):
        state.offsets[topic] = offset
        return "duplicate"
    memberships = {product_id: _memberships(product_id, catalogue) for product_id in interaction.product_ids}
    _move_landmark(state, interaction.occurred_at, policy)
    since = interaction.occurred_at - state.landmark_ms
    unit = KIND_WEIGHTS[interaction.kind] * decayed(since, state.half_life_ms)
    state.offsets[topic] = offset
    state.seen_ms = max(state.seen_ms, since)
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
    """Record a touch in time order; keep the latest `count` products, and greater ids among equal times."""
    since = max(since, touched.pop(product_id, since))
    later: list[tuple[str, int]] = []
    while touched:
        other, other_since = touched.popitem()
        if (other_since, other) < (since, product_id):
            touched[other] = other_since
            break
        later.append((other, other_since))
    touched[product_id] = since
    touched.update(reversed(later))
    while len(touched) > count:
        del touched[next(iter(touched))]


def forget_weakest(scores: dict[str, float], count: int) -> None:
    """Keep the `count` strongest cohorts, and greater ids among equal scores."""
    while len(scores) > count:
        del scores[min(scores, key=lambda cohort_id: (scores[cohort_id], cohort_id))]


def _memberships(product_id: str, catalogue: Catalogue) -> Mapping[str, float]:
    found = catalogue.memberships(product_id)
    if found is None:
        raise UnknownProduct(
            f"product {product_id!r} is not in the catalogue; load it, then "
            "`bannerstream dlq replay --code unknown_product`"
        )
    return found


def _move_landmark(state: UserState, event_ms: int, policy: Policy) -> None:
    """Set the landmark to a visitor's first event, and move it if an event at `event_ms` could exceed the range.

    Also convert the scores to a changed half-life: they keep their value as of the last event.
    """
    if state.half_life_ms != policy.half_life_ms:
        _shift(state, state.seen_at_ms)
        state.half_life_ms = policy.half_life_ms
    if state.landmark_ms == 0 or event_ms - state.landmark_ms > MAX_HALVINGS * state.half_life_ms:
        _shift(state, event_ms)


def _shift(state: UserState, landmark: int) -> None:
    """Convert all times and scores to a landmark that is not before the present one."""
    by = landmark - state.landmark_ms
    if not by:
        return
    # In two steps: the factor alone may underflow a double although score times factor does not.
    half = by // 2
    first, second = decayed(-half, state.half_life_ms), decayed(half - by, state.half_life_ms)
    state.landmark_ms = landmark
    state.seen_ms -= by
    if state.decision is not None:
        decision = state.decision
        state.decision = msgspec.structs.replace(decision, decided_ms=decision.decided_ms - by)
    for times in (state.touched, state.purchased):
        times.update({product_id: time - by for product_id, time in times.items()})
    state.scores.update({cohort_id: score * first * second for cohort_id, score in state.scores.items()})


def _forget(state: UserState, policy: Policy) -> None:
    for product_id in [product_id for product_id, until in state.purchased.items() if until <= state.seen_ms]:
        del state.purchased[product_id]
    _keep_latest(state.purchased, MAX_PURCHASES)
    forget_weakest(state.scores, policy.max_cohorts)


def _keep_latest(times: dict[str, int], count: int) -> None:
    """Keep the `count` latest products, and greater ids among equal times: independent of the order of events."""
    if len(times) > count:
        kept = set(nlargest(count, times, key=lambda product_id: (times[product_id], product_id)))
        for product_id in times.keys() - kept:
            del times[product_id]
