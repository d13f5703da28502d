"""Entry point of `bannerstream`: the command tree, and how errors become exit codes."""

import sys
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from bannerstream.cli.console import ERRORS, plain, stderr
from bannerstream.cli.context import Context
from bannerstream.cli.deferred import DeferredGroup
from bannerstream.contracts.errors import BannerstreamError


class Commands(DeferredGroup):
    """Every command, in the order of the help."""

    table: ClassVar = {
        "demo": (
            "demo:demo",
            (
                "Replay a shopping session and watch banners come out. "
                "The last line on standard output is one JSON object."
            ),
        ),
        "up": (
            "servers:up",
            "Start a broker and a store on loopback and print the variables that lead to them; stop on Ctrl-C.",
        ),
        "paint": (
            "paint:paint",
            "Paint one banner of a product for a cohort, as the generator would, and write it to a file.",
        ),
        "schema": ("contracts:schema", "Print the JSON Schema (2020-12) of the messages."),
        "asyncapi": (
            "contracts:asyncapi",
            "Print the AsyncAPI 3 document of every topic, under the names of this deployment.",
        ),
        "erase": (
            "erase:erase",
            (
                "Ask streams to forget a visitor: state, history and assignment; "
                "then edge nodes forget, and end live streams."
            ),
        ),
        "report": ("report:report", "Show impressions, clicks and click rates with their 95 % confidence intervals."),
        "run": ("run:app", "Run a service until SIGTERM or Ctrl-C."),
        "topics": ("topics:app", "Create and check the topics."),
        "catalog": ("catalog:app", "Load, list and check the catalogue."),
        "events": ("events:app", "Replay recorded events; check those of a topic."),
        "banners": ("banners:app", "List and show stored banners."),
        "storage": ("storage:app", "Create, check, repair, sweep and measure the bucket."),
        "evaluate": ("evaluate:app", "Measure the quality of the generator's parts."),
        "train": ("train:app", "Train the starter model on scenes that the studio draws."),
        "dlq": ("dlq:app", "List and replay dead letters."),
        "edge": ("edge:app", "Tools for trying the edge."),
        "config": ("config:app", "Show and check the settings."),
    }


app = typer.Typer(
    name="bannerstream",
    cls=Commands,
    help="Turns clicks and purchases into personal banners, seconds later.",
    epilog="Exit codes: 0 done · 1 unexpected error · 2 wrong usage · 3 wrong setting or file · "
    "4 broker or store does not answer · 5 invalid input or a failed check · 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"bannerstream {version('bannerstream')}\n")
        raise typer.Exit


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
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold what every command shares; settings are read when a command asks for them."""
    ctx.obj = Context(config_file=config, verbose=verbose)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line and return its exit code; our errors go to standard error, without a traceback."""
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
