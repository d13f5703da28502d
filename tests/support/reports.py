"""Feedback as pages send it."""

from typing import Literal

from bannerstream.contracts.messages import EngineTier, Feedback

Kind = Literal["impression", "click"]


def feedback(
    event_id: str,
    kind: Kind = "impression",
    variant: str = "a",
    *,
    banner_key: str = "b" * 64,
    engine: EngineTier | None = None,
) -> Feedback:
    """Return one report about a mug shown to the cohort `cosy`."""
    return Feedback(
        event_id=event_id,
        banner_key=banner_key,
        kind=kind,
        size="970x250",
        variant=variant,
        occurred_at=1,
        cohort_id="cosy",
        product_id="mug",
        engine=engine,
    )
