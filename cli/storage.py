"""`bannerstream storage`: the bucket."""

import asyncio
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from bannerstream.cli.console import CHECK_FAILED, AsJson, print_json, progress_bar, show_rows, stderr, stdout
from bannerstream.cli.context import settings_of
from bannerstream.storage import S3BannerStore, least_privilege_policy
from bannerstream.storage.usage import usage_of
from bannerstream.upkeep.errors import SweepRefused
from bannerstream.upkeep.findings import Checked, Finding, Journal
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.pointers import read_catalogue, read_ready
from bannerstream.upkeep.repairs import Repairs
from bannerstream.upkeep.repairs import repair as request_again
from bannerstream.upkeep.sweep import SweepOptions, SweepReport
from bannerstream.upkeep.sweep import sweep as run_sweep
from bannerstream.upkeep.sweep_plan import Ages
from bannerstream.upkeep.verifier import Verifier

app = typer.Typer(help="Create, check, repair, sweep and measure the bucket.", no_args_is_help=True)

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
def policy(
    ctx: typer.Context,
    sweeping: Annotated[
        bool, typer.Option("--sweep", help="The policy of who runs `storage sweep`: it may remove objects, too.")
    ] = False,
) -> None:
    """Print the least-privilege IAM policy of the services."""
    bucket = settings_of(ctx).storage.bucket
    sys.stdout.write(least_privilege_policy(bucket, sweeping=sweeping) + "\n")


@app.command()
def usage(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show how many objects and bytes lie under each prefix."""
    with closing(S3BannerStore(settings_of(ctx).storage)) as store, progress_bar() as progress:
        task = progress.add_task("listing", total=None)
        found = usage_of(store.bucket.objects(), lambda count: progress.update(task, completed=count))
    rows: list[dict[str, object]] = [
        {"prefix": part.prefix, "objects": part.objects, "bytes": part.bytes} for part in found
    ]
    show_rows(rows, as_json=as_json, title="Bucket", empty="the bucket is empty")
    objects, size = sum(part.objects for part in found), sum(part.bytes for part in found)
    stderr.print(f"{objects} objects, {size / 1e6:.1f} MB", highlight=False)


@app.command()
def verify(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Request every broken banner again; generators make it.")
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
    ready = asyncio.run(read_ready(settings.kafka))
    catalogue = asyncio.run(read_catalogue(settings.kafka))
    with closing(S3BannerStore(settings.storage)) as store, progress_bar() as progress:
        task = progress.add_task("checking", total=None)
        checked = Verifier(store, ready, catalogue.products, Pace(rate)).verify(
            Journal(journal), lambda done, total: progress.update(task, completed=done, total=total)
        )
    repairs = asyncio.run(request_again(checked.findings, catalogue, ready, settings)) if repair else Repairs()
    if as_json:
        found = msgspec.to_builtins(checked)
        print_json(
            {name: found[name] for name in found if name not in {"after", "finished"}}
            | {"requested_again": repairs.requested, "not_repairable": repairs.lost, "withdrawn": repairs.withdrawn}
        )
    else:
        show_rows(list(map(_row, checked.findings)), as_json=False, title="Broken", empty="nothing is broken")
    if repair:
        _print_repairs(checked.findings, repairs)
    stderr.print(_summary(checked, time.monotonic() - started), highlight=False, soft_wrap=True)
    if checked.findings:
        raise typer.Exit(CHECK_FAILED)


@app.command()
def sweep(
    ctx: typer.Context,
    delete: Annotated[bool, typer.Option("--delete", help="Remove what is found. Without it nothing changes.")] = False,
    outdated: Annotated[
        bool,
        typer.Option(
            "--outdated",
            help="Withdraw announced banners, too, that no visitor is assigned to and the catalogue has moved on from.",
        ),
    ] = False,
    blobs_after: Annotated[
        float, typer.Option("--blobs-after", min=2, help="Days since a blob without manifest was written.")
    ] = 7.0,
    manifests_after: Annotated[
        float, typer.Option("--manifests-after", min=1, help="Days since a manifest without pointer was written.")
    ] = 7.0,
    uploads_after: Annotated[
        float, typer.Option("--uploads-after", min=0.1, help="Days since an unfinished upload was begun.")
    ] = 1.0,
    outdated_after: Annotated[
        float, typer.Option("--outdated-after", min=1, help="Days since an outdated banner's manifest was written.")
    ] = 30.0,
    at_most: Annotated[
        float, typer.Option("--at-most", min=0, max=1, help="Largest share of manifests or blobs to remove at once.")
    ] = 0.5,
    rate: Rate = 200.0,
    as_json: AsJson = False,
) -> None:
    """Find manifests, blobs and uploads that nothing needs; remove them with --delete."""
    settings = settings_of(ctx)
    ages = Ages(
        blobs=timedelta(days=blobs_after),
        manifests=timedelta(days=manifests_after),
        uploads=timedelta(days=uploads_after),
        outdated=timedelta(days=outdated_after),
    )
    options = SweepOptions(delete=delete, outdated=outdated, ages=ages, at_most=at_most)
    with closing(S3BannerStore(settings.storage)) as store, progress_bar() as progress:
        task = progress.add_task("reading", total=None)
        report = asyncio.run(
            run_sweep(
                settings,
                store,
                options,
                pace=Pace(rate),
                now=datetime.now(UTC),
                on_progress=lambda step, done, total: progress.update(
                    task, description=step, completed=done, total=total
                ),
            )
        )
    rows = _sweep_rows(report)
    if as_json:
        print_json(
            {
                "deleted": delete,
                **{str(row["what"]): row["keys"] for row in rows},
                "unreadable": report.plan.unreadable,
                "requested_again": list(report.requested_again),
            }
        )
    else:
        table = [{name: row[name] for name in ("what", "objects", "bytes")} for row in rows]
        show_rows(table, as_json=False, title="Removed" if delete else "Nothing needs", empty="")
    stderr.print(_sweep_summary(report, at_most), highlight=False, soft_wrap=True)


def _sweep_rows(report: SweepReport) -> list[dict[str, Any]]:
    found = report.plan if report.removed is None else report.removed
    withdrawn = report.withdrawn if report.removed else [banner.banner_key for banner in report.plan.outdated]
    manifests = [banner.stored for banner in found.manifests]
    return [
        {"what": "outdated", "objects": len(withdrawn), "bytes": None, "keys": list(withdrawn)},
        *(
            {
                "what": what,
                "objects": len(objects),
                "bytes": sum(stored.bytes for stored in objects),
                "keys": [stored.key for stored in objects],
            }
            for what, objects in (("manifests", manifests), ("blobs", found.blobs))
        ),
        {
            "what": "uploads",
            "objects": len(found.uploads),
            "bytes": None,
            "keys": [upload.key for upload in found.uploads],
        },
    ]


def _sweep_summary(report: SweepReport, at_most: float) -> str:
    plan, removed = report.plan, report.removed
    words = [f"of {_counted(plan.listed_manifests, 'manifest')} and {_counted(plan.listed_blobs, 'blob')}"]
    if removed is None:
        words.append("nothing was removed: --delete removes what nothing needs")
        try:
            plan.refuse_if_suspicious(at_most)
        except SweepRefused as refusal:
            words.append(f"but it would be refused: {refusal}")
    if plan.unreadable:
        words.append(
            f"no blob goes while {_counted(len(plan.unreadable), 'manifest')} cannot be read: run "
            "`bannerstream storage verify --repair` first"
        )
    if report.requested_again:
        words.append(f"needed meanwhile, and requested again: {_counted(len(report.requested_again), 'banner')}")
    return "; ".join(words)


def _row(finding: Finding) -> dict[str, object]:
    return {"what": finding.kind, "object": finding.key, "product": finding.product_id, "reason": finding.reason}


def _summary(checked: Checked, seconds: float) -> str:
    kinds = Counter(finding.kind for finding in checked.findings)
    found = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(kinds.items())) or "nothing broken"
    parts = (checked.manifests, "manifest"), (checked.blobs, "blob"), (checked.pictures, "product picture")
    return f"{', '.join(_counted(*part) for part in parts)} ({checked.bytes / 1e6:.1f} MB) in {seconds:.0f} s: {found}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _print_repairs(findings: list[Finding], repairs: Repairs) -> None:
    lines = [f"requested again: {_counted(len(repairs.requested), 'banner')}; check once generators have made them"]
    if repairs.lost:
        lines.append(
            f"of products or cohorts that have changed since, so that nothing leads there any more: "
            f"{_counted(len(repairs.lost), 'banner')}; withdrawn, since pages would show them broken: "
            f"{len(repairs.withdrawn)}"
        )
    if any(finding.banner_key is None for finding in findings):
        lines.append("product pictures come back by `bannerstream catalog load FOLDER --all-pictures`")
    for line in lines:
        stderr.print(line, highlight=False, soft_wrap=True)
