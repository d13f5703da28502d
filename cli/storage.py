"""`bannerstream storage`: the bucket."""

import asyncio
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.cli.console import CHECK_FAILED, AsJson, print_json, progress_bar, show_rows, stderr, stdout
from bannerstream.cli.context import settings_of
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import BannerReady
from bannerstream.storage import S3BannerStore, least_privilege_policy
from bannerstream.upkeep.findings import Checked, Finding, Journal
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.repairs import repair as ask_again
from bannerstream.upkeep.verifier import Verifier

if TYPE_CHECKING:
    from bannerstream.settings import Settings

app = typer.Typer(help="Create, check and repair the bucket; print the rights it needs.", no_args_is_help=True)

Rate = Annotated[
    float,
    typer.Option("--rate", min=0.1, help="Most requests a second to the store: leaves it to visitors and generators."),
]


@app.command()
def create(ctx: typer.Context) -> None:
    """Create the bucket unless it exists."""
    settings = settings_of(ctx).storage
    S3BannerStore(settings).ensure_bucket()
    stdout.print(f"bucket {settings.bucket} is there")


@app.command()
def check(ctx: typer.Context) -> None:
    """Check that the bucket answers, and that credentials and clock are right."""
    settings = settings_of(ctx).storage
    S3BannerStore(settings).check()
    stdout.print(f"bucket {settings.bucket} answers")


@app.command()
def policy(ctx: typer.Context) -> None:
    """Print the least-privilege IAM policy of the services."""
    sys.stdout.write(least_privilege_policy(settings_of(ctx).storage.bucket) + "\n")


@app.command()
def verify(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Ask for every broken banner again; generators make it.")
    ] = False,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", dir_okay=False, help="File that keeps what is done: an interrupted check goes on."),
    ] = None,
    rate: Rate = 200.0,
    as_json: AsJson = False,
) -> None:
    """Read every manifest, picture and ready event; exit 5 if something is missing or has another hash."""
    settings = settings_of(ctx)
    started = time.monotonic()
    checked, products, cohorts = _verified(settings, Journal(journal), rate)
    asked: list[str] = []
    lost: list[str] = []
    if repair:
        asked, lost = asyncio.run(ask_again(checked.findings, products, cohorts, settings))
    if as_json:
        found = msgspec.to_builtins(checked)
        print_json(
            {name: found[name] for name in found if name not in {"after", "finished"}}
            | {"asked_again": asked, "not_repairable": lost}
        )
    else:
        show_rows(list(map(_row, checked.findings)), as_json=False, title="Broken", empty="nothing is broken")
    stderr.print(_summary(checked, time.monotonic() - started), highlight=False)
    if repair:
        _tell_repairs(checked.findings, asked, lost)
    if checked.findings:
        raise typer.Exit(CHECK_FAILED)


def _verified(
    settings: "Settings", journal: Journal, rate: float
) -> tuple[Checked, dict[str, Product], dict[str, Cohort]]:
    topics = settings.kafka.topic_table()

    async def tables() -> tuple[dict[str, BannerReady], dict[str, Product], dict[str, Cohort]]:
        return (
            await read_compacted(settings.kafka, topics.ready.name, lambda value: decode(value, BannerReady)),
            await read_compacted(settings.kafka, topics.products.name, lambda value: decode(value, Product)),
            await read_compacted(settings.kafka, topics.cohorts.name, lambda value: decode(value, Cohort)),
        )

    ready, products, cohorts = asyncio.run(tables())
    with closing(S3BannerStore(settings.storage)) as store, progress_bar() as progress:
        task = progress.add_task("checking", total=None)
        checked = Verifier(store, ready, products, Pace(rate)).verify(
            journal, lambda done, total: progress.update(task, completed=done, total=total)
        )
    return checked, products, cohorts


def _row(finding: Finding) -> dict[str, object]:
    return {"what": finding.kind, "object": finding.key, "product": finding.product_id, "reason": finding.reason}


def _summary(checked: Checked, seconds: float) -> str:
    kinds = Counter(finding.kind for finding in checked.findings)
    found = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(kinds.items())) or "nothing broken"
    return (
        f"{checked.manifests} manifests, {checked.blobs} blobs, {checked.pictures} product pictures "
        f"({checked.bytes / 1e6:.1f} MB) in {seconds:.0f} s: {found}"
    )


def _tell_repairs(findings: list[Finding], asked: list[str], lost: list[str]) -> None:
    stderr.print(f"{len(asked)} banners are asked for again; check once generators have made them", highlight=False)
    if lost:
        stderr.print(
            f"{len(lost)} banners are of products or cohorts that have changed since: nothing leads to them any more, "
            "and their visitors get another with their next event",
            highlight=False,
        )
    if any(finding.banner_key is None for finding in findings):
        stderr.print("product pictures come back by `bannerstream catalog load FOLDER --all-pictures`", highlight=False)
