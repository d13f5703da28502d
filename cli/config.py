"""`bannerstream config`: show and check the settings."""

import json
import sys
from typing import Annotated

import typer

from bannerstream.cli.console import CHECK_FAILED, AsJson, plain, print_json, show_rows, stdout
from bannerstream.cli.context import read_settings, settings_of

app = typer.Typer(help="Show and check the settings.", no_args_is_help=True)


@app.command()
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print the settings in force, secrets masked."""
    settings = json.loads(read_settings(ctx).model_dump_json())
    if as_json:
        print_json(settings)
        return
    rows = _flat(settings)
    width = max(len(name) for name, _ in rows)
    lines = (f"[cyan]{name:<{width}}[/]  {'' if value is None else plain(value)}".rstrip() for name, value in rows)
    stdout.print("\n".join(lines), highlight=False, soft_wrap=True)


@app.command()
def check(
    ctx: typer.Context,
    as_json: AsJson = False,
    production: Annotated[
        bool, typer.Option("--production", help='Check the rules of environment = "production" in a trial, too.')
    ] = False,
) -> None:
    """Read the settings, check the rules of production, try the broker and the store; exit 5 if a check fails."""
    import asyncio

    from bannerstream.broker.topics import check_topics, internal_topics
    from bannerstream.contracts.errors import BannerstreamError
    from bannerstream.settings import input_forms
    from bannerstream.settings.production import check_rules
    from bannerstream.storage import S3BannerStore

    settings = settings_of(ctx)
    input_forms(settings.input)  # a wrong connect.toml stops here, as it stops the start
    rows = []

    def record(what: str, problem: str | None) -> None:
        rows.append({"what": what, "ok": problem is None, "problem": problem})

    if production or settings.environment == "production":
        for verdict in check_rules(settings):
            record(f"production: {verdict.rule.name}", verdict.problem)
    try:
        checked = asyncio.run(check_topics(settings.kafka, **internal_topics(settings.streams)))
        problems = "; ".join(each.message for each in checked.problems)
        record(f"kafka {settings.kafka.bootstrap_servers}", problems or None)
    except BannerstreamError as error:
        record(f"kafka {settings.kafka.bootstrap_servers}", str(error))
    try:
        S3BannerStore(settings.storage).check()
        record(f"store {settings.storage.endpoint}/{settings.storage.bucket}", None)
    except BannerstreamError as error:
        record(f"store {settings.storage.endpoint}/{settings.storage.bucket}", str(error))
    show_rows(rows, as_json=as_json, title="Settings are valid; services:", empty="")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(CHECK_FAILED)
    if not as_json:
        stdout.print("all good", style="green")


@app.command()
def reference() -> None:
    """Print docs/settings.md, generated."""
    from bannerstream.settings.reference import settings_reference

    sys.stdout.write(settings_reference())


@app.command()
def commands(ctx: typer.Context) -> None:
    """Print docs/commands.md, generated."""
    from bannerstream.cli.reference import commands_reference

    sys.stdout.write(commands_reference(ctx.find_root().command))


def _flat(group: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in group.items():
        if isinstance(value, dict) and value:
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value if value != {} else None))
    return rows
