"""Chooses the banner for one visitor."""

from collections.abc import Callable, Iterator

from bannerstream.streams.affinity.catalogue import Catalogue
from bannerstream.streams.affinity.policy import Policy
from bannerstream.streams.affinity.scores import beats
from bannerstream.streams.affinity.state import ONLY_VARIANT, Decision, UserState

Draw = Callable[[str, str, bytes, int], str]
"""Maps (product, cohort, user key, epoch) to the variant of the decision. The same arguments give the same variant
until the experiments' results change."""


def only_variant(_product_id: str, _cohort_id: str, _key: bytes, _epoch: int) -> str:
    """Return the only variant: no experiment runs."""
    return ONLY_VARIANT


def decide(
    state: UserState, catalogue: Catalogue, policy: Policy, draw: Draw = only_variant, key: bytes = b""
) -> Decision | None:
    """Return the banner that this visitor should see from now on: the current decision if it should stay.

    The choice is the last touched product of the strongest cohort; if every touched product there was bought, refused
    or left the catalogue, the cohort's most typical product; then the next cohort. "Now" is the latest event time of
    this visitor, so a replay decides the same. Another cohort replaces the current one only past `policy.margin`, and
    the choice does not change within `policy.min_interval_ms`: banners would otherwise flicker for visitors who look
    around. Two changes are immediate: a product that was bought, left the catalogue or can have no banner is replaced,
    and a product or cohort whose facts changed keeps its place under its new banner key (at the visitor's next event,
    because nobody is looking before). A new product or cohort gets its own variant, which `draw` chooses for the
    visitor `key`.

    Returns None if nothing can be shown: the visitor's cohorts offer no product that was not just bought.
    """
    current = state.decision
    if current is None or not _showable(state, current.product_id, current.cohort_id, catalogue):
        return _best(state, catalogue, draw, key)
    product_id, cohort_id, variant = current.product_id, current.cohort_id, current.variant
    if state.seen_ms - current.decided_ms >= policy.min_interval_ms:
        challenger = _challenger(state, cohort_id, catalogue, policy)
        if challenger is not None:
            product_id, cohort_id = _best_product(state, challenger, catalogue) or product_id, challenger
            if (product_id, cohort_id) != (current.product_id, current.cohort_id):
                variant = draw(product_id, cohort_id, key, state.epoch + 1)
    banner_fingerprint = catalogue.banner_fingerprint(product_id, cohort_id, variant)
    if banner_fingerprint == current.banner_fingerprint:
        return current
    return Decision(product_id, cohort_id, banner_fingerprint, state.seen_ms, variant)


def settle(state: UserState, catalogue: Catalogue, policy: Policy, draw: Draw = only_variant, key: bytes = b"") -> bool:
    """Store the decision in the state; return True, and increase the epoch, if there is a new one to announce."""
    decision = decide(state, catalogue, policy, draw, key)
    if decision is state.decision:
        return False
    state.decision = decision
    if decision is None:
        return False
    state.epoch += 1
    return True


def _best(state: UserState, catalogue: Catalogue, draw: Draw, key: bytes) -> Decision | None:
    for cohort_id in _by_strength(state):
        product_id = _best_product(state, cohort_id, catalogue)
        if product_id is not None:
            variant = draw(product_id, cohort_id, key, state.epoch + 1)
            fingerprint = catalogue.banner_fingerprint(product_id, cohort_id, variant)
            return Decision(product_id, cohort_id, fingerprint, state.seen_ms, variant)
    return None


def _challenger(state: UserState, holder_id: str, catalogue: Catalogue, policy: Policy) -> str | None:
    """Return the strongest cohort with a showable product, or the holder if the challenger wins by too little.

    Returns None if neither is left in the state; the current banner then stays.
    """
    scores = state.scores
    holder = scores.get(holder_id)
    if holder is not None and not beats(max(scores.values()), holder, policy.margin):
        return holder_id  # the most common case, without sorting
    for cohort_id in _by_strength(state):
        if cohort_id == holder_id:
            return holder_id
        if holder is not None and not beats(scores[cohort_id], holder, policy.margin):
            return holder_id
        if _best_product(state, cohort_id, catalogue) is not None:
            return cohort_id
    return None


def _by_strength(state: UserState) -> Iterator[str]:
    ranked = sorted(((score, cohort_id) for cohort_id, score in state.scores.items()), reverse=True)
    return (cohort_id for _, cohort_id in ranked)


def _best_product(state: UserState, cohort_id: str, catalogue: Catalogue) -> str | None:
    for product_id in reversed(state.touched):
        if _showable(state, product_id, cohort_id, catalogue):
            return product_id
    return next((product_id for product_id in catalogue.shelf(cohort_id) if _not_bought(state, product_id)), None)


def _showable(state: UserState, product_id: str, cohort_id: str, catalogue: Catalogue) -> bool:
    return catalogue.holds(product_id, cohort_id) and _not_bought(state, product_id)


def _not_bought(state: UserState, product_id: str) -> bool:
    until = state.purchased.get(product_id)
    return until is None or until <= state.seen_ms
