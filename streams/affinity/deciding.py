"""Choosing the banner that one visitor should see."""

from streams.affinity.catalogue import Catalogue
from streams.affinity.policy import Policy
from streams.affinity.scores import beats
from streams.affinity.state import Decision, UserState


def decide(state: UserState, catalogue: Catalogue, policy: Policy) -> Decision | None:
    """Return the banner that this visitor should see from now on; the current decision when it should stay.

    The wish is the last touched product of the strongest cohort; when all that was touched there was bought or left the
    catalogue, the cohort's most typical product; then the next cohort. "Now" is the latest event time of this visitor,
    so a replay decides alike. Another cohort replaces the current one only past `policy.margin`, and no choice changes
    within `policy.min_interval_ms`: visitors who look around would otherwise see banners flicker. Two things do not
    wait: a product that was bought or left the catalogue is replaced at once, and a product or cohort whose facts
    changed keeps its place under its new banner key (noticed with the visitor's next event, not before: nobody is
    looking).

    None: nothing can be shown, because the visitor's cohorts hold no product that was not just bought.
    """
    current = state.decision
    if current is None or not _showable(state, current.product_id, current.cohort_id, catalogue):
        return _best(state, catalogue)
    cohort_id = _challenger(state, current.cohort_id, catalogue, policy)
    product_id = _best_product(state, cohort_id, catalogue) if cohort_id is not None else current.product_id
    wanted = (product_id or current.product_id, cohort_id or current.cohort_id)
    if (
        wanted != (current.product_id, current.cohort_id)
        and state.seen_at - current.decided_at < policy.min_interval_ms
    ):
        wanted = (current.product_id, current.cohort_id)
    banner_key = catalogue.banner_key(*wanted)
    if banner_key == current.banner_key:
        return current
    return Decision(*wanted, banner_key, state.seen_at)


def settle(state: UserState, catalogue: Catalogue, policy: Policy) -> bool:
    """Put the decision into the state; return True, with a new epoch, if there is a new one to announce."""
    decision = decide(state, catalogue, policy)
    changed = decision is not None and decision != state.decision
    state.decision = decision
    if changed:
        state.epoch += 1
    return changed


def _best(state: UserState, catalogue: Catalogue) -> Decision | None:
    for cohort_id in _by_strength(state):
        product_id = _best_product(state, cohort_id, catalogue)
        if product_id is not None:
            return Decision(product_id, cohort_id, catalogue.banner_key(product_id, cohort_id), state.seen_at)
    return None


def _challenger(state: UserState, holder_id: str, catalogue: Catalogue, policy: Policy) -> str | None:
    """Return the cohort to show: the strongest that has something to show, or the holder if that wins by too little.

    None: neither is left in the state, so that what is shown stays.
    """
    holder = state.cohorts.get(holder_id)
    for cohort_id in _by_strength(state):
        if cohort_id == holder_id:
            return holder_id
        if holder is not None and not beats(state.cohorts[cohort_id].score, holder.score, policy.margin):
            return holder_id
        if _best_product(state, cohort_id, catalogue) is not None:
            return cohort_id
    return None


def _by_strength(state: UserState) -> list[str]:
    return sorted(state.cohorts, key=lambda each: (state.cohorts[each].score, each), reverse=True)


def _best_product(state: UserState, cohort_id: str, catalogue: Catalogue) -> str | None:
    touched = state.cohorts[cohort_id].touched
    for product_id in sorted(touched, key=lambda each: (touched[each], each), reverse=True):
        if _showable(state, product_id, cohort_id, catalogue):
            return product_id
    return next((each for each in catalogue.shelf(cohort_id) if state.purchased.get(each, 0) <= state.seen_at), None)


def _showable(state: UserState, product_id: str, cohort_id: str, catalogue: Catalogue) -> bool:
    return catalogue.holds(product_id, cohort_id) and state.purchased.get(product_id, 0) <= state.seen_at
