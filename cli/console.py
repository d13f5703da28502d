"""What the commands print with: people on standard error or a table, programs by `--json` on standard output."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bannerstream.contracts.errors import BannerstreamError, ConfigurationError, InvalidRecord, ServiceUnavailable

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

# Without emoji: a product's title may hold `:cup:`, and the list of all emoji takes as long to import as rich's tables.
stdout = Console(soft_wrap=False, emoji=False)
stderr = Console(stderr=True, emoji=False)

ERRORS: dict[type[BaseException], int] = {
    ConfigurationError: 3,
    ServiceUnavailable: 4,
    InvalidRecord: 5,
    BannerstreamError: 1,
}
"""Exit code of each error; the first that fits."""

CHECK_FAILED = 5
"""Exit code of a check that found something wrong."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


_UNBOUNDED = 10_000
"""Columns of a console in which every table has room."""


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str, empty: str) -> None:
    """Print rows as one JSON array, or as a table with the keys of the first row as its columns."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        stderr.print(empty)
        return
    show_table(stdout, rows, title=title)


def show_table(console: Console, rows: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """Print rows as a table with the keys of the first row as its columns; a few that are too wide, on their side."""
    names = [name.replace("_", " ") for name in rows[0]]
    cells = [["" if value is None else plain(value) for value in row.values()] for row in rows]
    table = _table(title, names, cells)
    unbounded = console.options.update(width=_UNBOUNDED)
    if len(rows) < len(names) and console.measure(table, options=unbounded).maximum > console.width:
        first, *others = zip(*cells, strict=True)
        table = _table(title, [names[0], *first], [[name, *row] for name, row in zip(names[1:], others, strict=True)])
    console.print(table)


def _table(title: str, names: Sequence[str], cells: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*row)
    return table


def print_json(value: object) -> None:
    """Print one JSON document to standard output, never wrapped or coloured."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def plain(text: object) -> str:
    r"""Return text for a console to print as it is: no markup, and control characters as `\x1b`.

    Reasons of dead letters quote what strangers sent: an escape sequence in them must not reach the terminal.
    """
    return escape(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(text)))


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed


def progress_bar() -> "Progress":
    """Return a progress bar on standard error that vanishes when it is done and stays silent where no one looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
