"""`bannerstream evaluate`: figures of how good the generator's parts are."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.console import AsJson, print_json, show_table, stderr, stdout
from generator.evaluation.reporting import Report

app = typer.Typer(help="Measure how good the parts of the generator are.", no_args_is_help=True)


class TitlePart(StrEnum):
    """Which of the labelled titles."""

    WORDS = "words"
    RULES = "rules"
    UNSEEN = "unseen"


@app.command()
def describe(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Path or hub id of a language model to measure, too; may be repeated."),
    ] = None,
    part: Annotated[
        list[TitlePart] | None,
        typer.Option("--part", help="Labelled titles: unseen (default), or those that the lexicon was written beside."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only this many titles of each part.")] = None,
    lexicon_only: Annotated[bool, typer.Option("--lexicon-only", help="Measure no model.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the JSON to a file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well describers read shop titles: the lexicon, SmolLM2 choosing and writing, a random model."""
    from generator.evaluation.describers import evaluate_describers
    from generator.evaluation.titles import PARTS

    asked = {each.value for each in part or [TitlePart.UNSEEN]}
    with stderr.status("describing"):
        report = evaluate_describers(
            [each for each in PARTS if each in asked], models=model or (), limit=limit, lexicon_only=lexicon_only
        )
    show(report, as_json=as_json, out=out)


def show(report: Report, *, as_json: bool, out: Path | None = None) -> None:
    """Print a report: a table for people and, with `as_json`, the document for programs on standard output."""
    console = stderr if as_json else stdout
    show_table(console, report.rounded(), title=report.evaluation)
    for subject, note in report.notes.items():
        stderr.print(f"{subject}: {note}", highlight=False, markup=False)
    if as_json:
        print_json(report.document())
    if out is not None:
        with _writable(out):
            report.save(out)


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error}") from error
