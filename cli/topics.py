"""`bannerstream topics`: creates missing topics and checks existing ones."""

import asyncio
from typing import Annotated

import typer

from bannerstream.broker.topics import check_topics, create_topics, internal_topics
from bannerstream.cli.console import CHECK_FAILED, AsJson, plain, show_rows, stderr
from bannerstream.cli.context import settings_of

app = typer.Typer(help="Create and check the topics.", no_args_is_help=True)


@app.command()
def create(
    ctx: typer.Context,
    external: Annotated[
        bool, typer.Option("--external/--ours-only", help="Also create the topics that the shop writes.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be created; create nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing. Existing ones are never altered."""
    settings = settings_of(ctx)
    made = asyncio.run(
        create_topics(settings.kafka, **internal_topics(settings.streams), external=external, dry_run=dry_run)
    )
    outcome = "would be created" if dry_run else "created"
    rows: list[dict[str, object]] = [
        {"topic": plan.name, "outcome": outcome, "partitions": plan.partitions, "replication": plan.replication}
        for plan in made.created
    ]
    rows += [{"topic": name, "outcome": "was there", "partitions": None, "replication": None} for name in made.existing]
    show_rows(rows, as_json=as_json, title="Topics", empty="no topics")


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check that every topic exists and is configured correctly; exit 5 if not."""
    settings = settings_of(ctx)
    checked = asyncio.run(check_topics(settings.kafka, **internal_topics(settings.streams)))
    rows = [{"topic": each.topic, "kind": each.kind, "problem": each.message} for each in checked.problems]
    show_rows(rows, as_json=as_json, title="Problems", empty="every topic is there and fits")
    for note in checked.notes:
        stderr.print(f"note: {plain(note)}", highlight=False, style="dim")
    if rows:
        raise typer.Exit(CHECK_FAILED)
