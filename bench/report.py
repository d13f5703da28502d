"""Writes docs/performance.md from the raw results: `python -m bench report [--results bench/results]`.

Every figure on the page comes from the JSON lines of the results, the text from bench/performance.md.j2, and the
section on missed targets from bench/results/notes.md if that file exists. Also draws the plots (`python -m bench
plots`).
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

if __name__ == "__main__":  # `python bench/report.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench import plots
from bench.targets import RECORDS_PER_EVENT_GOAL, TARGETS, Line, Target, interval_for

HERE = Path(__file__).parent
NOTES = "notes.md"


@dataclass(frozen=True, slots=True)
class Table:
    """The table of one benchmark: one row per combination of the fields `by`, with the median of each value."""

    by: dict[str, str]
    values: dict[str, str]
    """Titles by field."""


TABLES = {
    "streams": Table(
        {"users": "users", "distribution": "distribution", "system": "system", "setting": "setting", "work": "work"},
        {
            "events_per_s": "events/s",
            "changelog_records": "changelog records",
            "cpu_s": "CPU s",
            "cpu_us_per_event": "CPU µs/event",
            "rss_mb": "memory MB",
        },
    ),
    "latency": Table(
        {"offered_per_s": "offered/s", "system": "system", "workers": "workers"},
        {
            "achieved_per_s": "achieved/s",
            "p50_ms": "median ms",
            "p99_ms": "99 % ms",
            "p999_ms": "99.9 % ms",
            "max_ms": "max ms",
            "samples": "samples",
        },
    ),
    "recovery": Table(
        {"users": "users", "system": "system"},
        {
            "join_s": "group join s",
            "restore_s": "changelog read s",
            "ready_s": "events flow s",
            "first_event_s": "first event s",
        },
    ),
    "memory": Table(
        {"users": "users", "store": "store", "state": "state"},
        {
            "bytes_per_user": "bytes per user",
            "counted_bytes_per_user": "counted",
            "packed_bytes": "packed",
            "key_bytes": "key",
            "rss_mb": "worker MB",
            "peak_rss_mb": "peak MB",
        },
    ),
    "scaleout": Table({"event": "event", "workers": "workers after", "standbys": "standbys"}, {"pause_s": "pause s"}),
    "restart": Table(
        {"checkout": "version", "users": "users"},
        {
            "joined_s": "group join s",
            "folds_s": "events flow s",
            "pause_s": "pause s",
            "start_cpu_s": "CPU s until then",
            "rebalances": "rebalances of the other",
        },
    ),
    "poison": Table({"poison": "share of bad records"}, {"events_per_s": "events/s", "cpu_s": "CPU s"}),
    "changelog": Table(
        {"work": "work", "interval_s": "interval s"},
        {"records_per_event": "records per event", "events_per_s": "events/s"},
    ),
    "loop": Table(
        {"case": "banner", "clients": "live streams", "background_per_s": "background events/s", "s3": "store"},
        {"p50_ms": "median ms", "p99_ms": "99 % ms", "max_ms": "max ms", "samples": "clicks", "missing": "missing"},
    ),
    "loop-stages": Table(
        {
            "case": "banner",
            "clients": "live streams",
            "background_per_s": "background events/s",
            "step": "step",
            "stage": "stage",
        },
        {"ms": "median ms"},
    ),
    "generator": Table(
        {
            "device": "device",
            "architecture": "architecture",
            "decoder": "decoder",
            "system": "system",
            "size": "banner",
            "painted": "painted",
            "batch": "batch",
            "compiled": "compiled",
        },
        {"images_per_s": "images/s", "latency_ms": "ms per batch", "of_painter": "share of the painter"},
    ),
    "composing": Table({"stage": "stage"}, {"cpu_ms": "CPU ms", "wall_ms": "ms"}),
    "edge": Table(
        {"case": "case"},
        {
            "share": "share of the bare rate",
            "edge_per_s": "requests/s",
            "bare_per_s": "bare/s",
            "visitors": "visitors",
            "ready_s": "ready s",
            "bytes_per_visitor": "bytes per visitor",
            "streams": "live streams",
            "slow": "slow clients",
            "alone_ms": "alone ms",
            "unfinished_ms": "among unfinished ms",
            "unread_ms": "among unread ms",
            "let_go_slow": "disconnected",
            "rss_mb": "memory MB",
            "peak_mb": "peak MB",
        },
    ),
}


def render(lines: Sequence[Line], notes: str = "", images: Sequence[str] = ()) -> str:
    """Return the page. `images` names the benchmarks that have a plot."""
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    machines = [line for line in lines if line.get("bench") == "machine"]
    by_benchmark = {name: [line for line in lines if line.get("bench") == name] for name in TABLES}
    measured = {name: _without_quick(found) or found for name, found in by_benchmark.items()}
    return environment.get_template("performance.md.j2").render(
        machine=machines[-1] if machines else None,
        commits=sorted({str(line.get("commit")) for line in machines}),
        commands=list(dict.fromkeys(_as_typed(str(line.get("command"))) for line in machines)),
        targets=[target_row(target, lines) for target in TARGETS],
        tables={name: table(TABLES[name], found) for name, found in measured.items() if found},
        images=images,
        notes=notes.strip(),
        goal=RECORDS_PER_EVENT_GOAL,
        intervals={work: interval_for(lines, RECORDS_PER_EVENT_GOAL, work) for work in ("common", "full")},
        disqualified=sum(not line.get("correct", True) for line in lines),
        quick=any(line.get("quick") for line in lines),
        fell_behind=sum(bool(line.get("fell_behind")) for line in lines),
    )


def _without_quick(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.get("quick")]


def _as_typed(command: str) -> str:
    """Return the command as the user typed it: with `python -m`, `sys.argv` contains the module's file."""
    return command.replace("python bench/__main__.py", "python -m bench")


def target_row(target: Target, lines: Sequence[Line]) -> dict[str, str]:
    """Return a target's row. `--quick` runs give a figure only if there is no other, and never meet the target."""
    figure = target.figure(_without_quick(lines))
    verdict = "not measured"
    if figure is not None:
        missed = target.missed_by(figure)
        verdict = f"**missed by {missed:.0%}**" if missed else "met"
    elif (figure := target.figure(lines)) is not None:
        verdict = "quick look only"
    unit = f" {target.unit}" if target.unit not in {"", "×"} else target.unit
    return {
        "what": target.what,
        "bound": f"{'≥' if target.is_least else '≤'} {number(target.bound)}{unit}",
        "figure": "" if figure is None else f"{number(figure)}{unit}",
        "verdict": verdict,
        "command": target.command,
    }


def table(shape: Table, lines: Sequence[Line]) -> str:
    """Return a Markdown table: medians over rounds, minimum and maximum in brackets. Wrong results are left out."""
    rows: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        if line.get("correct", True) and any(field in line for field in shape.values):
            rows.setdefault(tuple(line.get(field) for field in shape.by), []).append(line)
    shown = [field for field in shape.values if any(each.get(field) is not None for each in lines)]
    head = [*shape.by.values(), *(shape.values[field] for field in shown), "rounds"]
    text = [_row(head), _row(["---"] * len(shape.by) + ["---:"] * (len(shown) + 1))]
    for key, group in sorted(rows.items(), key=lambda row: [_order(each) for each in row[0]]):
        cells = [spread([each[field] for each in group if each.get(field) is not None]) for field in shown]
        text.append(_row([*map(_named, key), *cells, str(len({each.get("round") for each in group}))]))
    return "\n".join(text)


def spread(values: Sequence[float]) -> str:
    """Return the median, with minimum and maximum where they differ."""
    if not values:
        return ""
    least, most = number(min(values)), number(max(values))
    middle = number(median(values))
    return middle if least == most else f"{middle} ({least}–{most})"


def number(value: float) -> str:
    """Return a number with three significant digits and a thousands separator."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _named(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return str(value)


def _order(value: object) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the plots and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, default=Path("bench/results"), help="folder of *.jsonl (default bench/results)"
    )
    parser.add_argument(
        "--page", type=Path, default=Path("docs/performance.md"), help="the page (default docs/performance.md)"
    )
    options = parser.parse_args(arguments)
    lines = plots.read(options.results)
    images = options.page.parent / "images"
    plots.main(["--results", str(options.results), "--images", str(images)])
    notes = options.results / NOTES
    drawn = [name for name in plots.PLOTS if any(line.get("bench") == name for line in lines)]
    text = render(lines, notes.read_text(encoding="utf-8") if notes.is_file() else "", drawn)
    options.page.write_text(text, encoding="utf-8")
    print(f"wrote {options.page} from {len(lines)} lines", file=sys.stderr)


if __name__ == "__main__":
    main()
