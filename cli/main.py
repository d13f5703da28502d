"""Entry point of `bannerstream`: the command tree, and how errors become exit codes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bannerstream.cli import (
    banners,
    catalog,
    config,
    contracts,
    demo,
    dlq,
    edge,
    erase,
    evaluate,
    events,
    paint,
    report,
    run,
    servers,
    storage,
    topics,
    train,
)
from bannerstream.cli.console import ERRORS, plain, stderr
from bannerstream.cli.context import Context
from bannerstream.contracts.errors import BannerstreamError

app = typer.Typer(
    name="bannerstream",
    help="Turns clicks and purchases into personal banners, seconds later.",
    epilog="Exit codes: 0 done · 1 unexpected error · 2 wrong usage · 3 wrong setting or file · "
    "4 broker or store does not answer · 5 invalid input or a failed check · 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(demo.demo)
app.command("up")(servers.up)
app.command("paint")(paint.paint)
app.command("schema")(contracts.schema)
app.command("asyncapi")(contracts.asyncapi)
app.command("erase")(erase.erase)
app.command("report")(report.report)
app.add_typer(run.app, name="run")
app.add_typer(topics.app, name="topics")
app.add_typer(catalog.app, name="catalog")
app.add_typer(events.app, name="events")
app.add_typer(banners.app, name="banners")
app.add_typer(storage.app, name="storage")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(train.app, name="train")
app.add_typer(dlq.app, name="dlq")
app.add_typer(edge.app, name="edge")
app.add_typer(config.app, name="config")


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings file; else $BANNERSTREAM_CONFIG or bannerstream.toml."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log debug messages; show where an error arose.")
    ] = False,
) -> None:
    """Hold what every command shares; settings are read when a command asks for them."""
    ctx.obj = Context(config_file=config, verbose=verbose)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line and return its exit code; our own errors are told on standard error, without a traceback."""
    try:
        app(arguments)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BannerstreamError as error:
        if "-v" in arguments or "--verbose" in arguments:
            stderr.print_exception()
        stderr.print(f"[red]error:[/] {plain(error)}", highlight=False, soft_wrap=True)
        return next(code for kind, code in ERRORS.items() if isinstance(error, kind))
    return 0
