"""Impressions and clicks, summed by product, cohort, variant, or one part of a variant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from bannerstream.contracts.variants import creative_of
from bannerstream.streams.experiments.intervals import Interval, wilson
from bannerstream.streams.experiments.tally import Tally, TallyKey

By = Literal["variant", "cohort", "product", "template", "headline", "scene"]
BYS: tuple[By, ...] = get_args(By)

NO_PART = "(by seed)"
"""The name of variants that leave template, headline or scene style to the seed."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of a report."""

    name: str
    impressions: int
    clicks: int
    rate: Interval
    """Click rate with its 95 % confidence interval."""


def report(results: Mapping[TallyKey, Tally], by: By, *, cohort_id: str | None = None) -> list[ReportLine]:
    """Return the sums, best rate first; only of `cohort_id` if it is given."""
    sums: dict[str, tuple[int, int]] = {}
    for key, tally in _of_cohort(results.items(), cohort_id):
        name = _name(key, by)
        seen, clicked = sums.get(name, (0, 0))
        sums[name] = (seen + tally.impressions, clicked + tally.clicks)
    lines = [
        # A click implies an impression, even if the report of the impression is late or lost.
        ReportLine(name, max(seen, clicked), clicked, wilson(clicked, max(seen, clicked)))
        for name, (seen, clicked) in sums.items()
    ]
    return sorted(lines, key=lambda line: (-line.rate.rate, -line.impressions, line.name))


def _of_cohort(results: Iterable[tuple[TallyKey, Tally]], cohort_id: str | None) -> Iterable[tuple[TallyKey, Tally]]:
    return ((key, tally) for key, tally in results if cohort_id is None or key.cohort_id == cohort_id)


def _name(key: TallyKey, by: By) -> str:
    if by == "variant":
        return key.variant
    if by == "cohort":
        return key.cohort_id
    if by == "product":
        return key.product_id
    creative = creative_of(key.variant)
    return NO_PART if creative is None else str(getattr(creative, by))
