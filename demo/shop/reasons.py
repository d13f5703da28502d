"""Explains in sentences why a visitor sees a banner, from the state that streams keeps."""

from collections.abc import Mapping

from bannerstream.contracts.messages import Assignment
from bannerstream.demo.shop.shop_catalogue import ShopCatalogue
from bannerstream.streams.affinity.state import UserState


def shares(state: UserState) -> dict[str, float]:
    """Return each cohort's share of a visitor's affinity; the shares sum to 1.

    Scores share one landmark, so their ratios need no decay.
    """
    total = sum(state.scores.values())
    return {cohort_id: score / total for cohort_id, score in state.scores.items()} if total else {}


def why(state: UserState, shown: Assignment, catalogue: ShopCatalogue) -> list[str]:
    """Return one sentence about the cohort and one about the product."""
    return [_about_cohort(shares(state), shown.cohort_id, catalogue), _about_product(state, shown, catalogue)]


def _about_cohort(parts: Mapping[str, float], cohort_id: str, catalogue: ShopCatalogue) -> str:
    name = catalogue.cohorts[cohort_id].name
    leader = max(parts, key=lambda name: parts[name], default=cohort_id)
    if leader == cohort_id:
        return f"{name} is your strongest taste: {parts.get(cohort_id, 0) * 100:.0f} % of what you did here."
    return (
        f"{name} stays: {catalogue.cohorts[leader].name} is ahead by less than the margin that a change needs, "
        "or has nothing that you did not buy."
    )


def _about_product(state: UserState, shown: Assignment, catalogue: ShopCatalogue) -> str:
    title = catalogue.title(shown.product_id)
    fitting = [
        product_id
        for product_id in reversed(state.touched)
        if (item := catalogue.get(product_id)) is not None and shown.cohort_id in item.product.cohorts
    ]
    if fitting and fitting[0] == shown.product_id:
        return f"{title} is what you looked at last that belongs there."
    if shown.product_id in fitting:
        newer = catalogue.title(fitting[0])
        reason = "was bought" if fitting[0] in state.purchased else "came too soon after the last change"
        return f"{title} is what you looked at before: {newer} {reason}."
    return f"{title} is the most typical product there that you did not buy."
