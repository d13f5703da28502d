"""`bannerstream report`: which banners visitors click."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from bannerstream.cli.console import AsJson, show_rows
from bannerstream.cli.context import settings_of


class ReportBy(StrEnum):
    """What the report sums by."""

    VARIANT = "variant"
    COHORT = "cohort"
    PRODUCT = "product"
    TEMPLATE = "template"
    HEADLINE = "headline"
    SCENE = "scene"


def report(
    ctx: typer.Context,
    by: Annotated[ReportBy, typer.Option("--by", help="What to sum by.")] = ReportBy.VARIANT,
    cohort: Annotated[str | None, typer.Option("--cohort", help="Only this cohort.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show impressions, clicks and click rates with their 95 % confidence intervals."""
    from bannerstream.streams.experiments import report as reporting
    from bannerstream.streams.experiments.results import read_results

    results = asyncio.run(read_results(settings_of(ctx)))
    rows = [
        {
            by.value: line.name,
            "impressions": line.impressions,
            "clicks": line.clicks,
            "rate_percent": round(100 * line.rate.rate, 3),
            "low_percent": round(100 * line.rate.low, 3),
            "high_percent": round(100 * line.rate.high, 3),
        }
        for line in reporting.report(results, by.value, cohort_id=cohort)
    ]
    empty = "Nothing was counted yet: `bannerstream run experiments` counts what pages report."
    show_rows(rows, as_json=as_json, title=f"Click rates by {by.value}", empty=empty)
