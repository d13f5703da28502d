"""Choosing the banner that one visitor should see."""

from collections.abc import Callable, Iterator

from bannerstream.streams.affinity.catalogue import Catalogue
from bannerstream.streams.affinity.policy import Policy
from bannerstream.streams.affinity.scores import beats
from bannerstream.streams.affinity.state import ONLY_VARIANT, Decision, UserState

Draw = Callable[[str, str, bytes, int], str]
"""From (product, cohort, user key, epoch) to the variant that this decision shows: the same for the same arguments, as
long as what is known of the variants stays the same."""


def only_variant(_product_id: str, _cohort_id: str, _key: bytes, _epoch: int) -> str:
    """Draw where no experiment runs."""
    return ONLY_VARIANT


def decide(
    state: UserState, catalogue: Catalogue, policy: Policy, draw: Draw = only_variant, key: bytes = b""
) -> Decision | None:
    """Return the banner that this visitor should see from now on; the current decision when it should stay.

    The wish is the last touched product of the strongest cohort; when all that was touched there was bought or left the
    catalogue, the cohort's most typical product; then the next cohort. "Now" is the latest event time of this visitor,
    so a replay decides alike. Another cohort replaces the current one only past `policy.margin`, and no choice changes
    within `policy.min_interval_ms`: visitors who look around would otherwise see banners flicker. Two things do not
    wait: a product that was bought or left the catalogue is replaced at once, and a product or cohort whose facts
    changed keeps its place under its new banner key (noticed with the visitor's next event, not before: nobody is
    looking). Another product or another cohort gets a variant of its own, which `draw` chooses for the visitor `key`.

    None: nothing can be shown, because the visitor's cohorts hold no product that was not just bought.
    """
    current = state.decision
    if current is None or not _showable(state, current.product_id, current.cohort_id, catalogue):
        return _best(state, catalogue, draw, key)
    product_id, cohort_id, variant = current.product_id, current.cohort_id, current.variant
    if state.seen - current.decided >= policy.min_interval_ms:
        challenger = _challenger(state, cohort_id, catalogue, policy)
        if challenger is not None:
            product_id, cohort_id = _best_product(state, challenger, catalogue) or product_id, challenger
            if (product_id, cohort_id) != (current.product_id, current.cohort_id):
                variant = draw(product_id, cohort_id, key, state.epoch + 1)
    banner_fingerprint = catalogue.banner_fingerprint(product_id, cohort_id, variant)
    if banner_fingerprint == current.banner_fingerprint:
        return current
    return Decision(product_id, cohort_id, banner_fingerprint, state.seen, variant)


def settle(state: UserState, catalogue: Catalogue, policy: Policy, draw: Draw = only_variant, key: bytes = b"") -> bool:
    """Put the decision into the state; return True, with a new epoch, if there is a new one to announce."""
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
            return Decision(product_id, cohort_id, fingerprint, state.seen, variant)
    return None


def _challenger(state: UserState, holder_id: str, catalogue: Catalogue, policy: Policy) -> str | None:
    """Return the cohort to show: the strongest that has something to show, or the holder if that wins by too little.

    None: neither is left in the state, so that what is shown stays.
    """
    scores = state.scores
    holder = scores.get(holder_id)
    if holder is not None and not beats(max(scores.values()), holder, policy.margin):
        return holder_id  # what most events lead to, without sorting
    for cohort_id in _by_strength(state):
        if cohort_id == holder_id:
            return holder_id
        if holder is not None and not beats(scores[cohort_id], holder, policy.margin):
            return holder_id
        if _best_product(state, cohort_id, catalogue) is not None:
            return cohort_id
    return None


def _by_strength(state: UserState) -> Iterator[str]:
    return (cohort_id for _, cohort_id in sorted(((score, each) for each, score in state.scores.items()), reverse=True))


def _best_product(state: UserState, cohort_id: str, catalogue: Catalogue) -> str | None:
    for product_id in reversed(state.touched):
        if _showable(state, product_id, cohort_id, catalogue):
            return product_id
    return next((each for each in catalogue.shelf(cohort_id) if _not_bought(state, each)), None)


def _showable(state: UserState, product_id: str, cohort_id: str, catalogue: Catalogue) -> bool:
    return catalogue.holds(product_id, cohort_id) and _not_bought(state, product_id)


def _not_bought(state: UserState, product_id: str) -> bool:
    until = state.purchased.get(product_id)
    return until is None or until <= state.seen
