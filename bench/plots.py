"""Draws docs/images/performance-*.svg from the raw results: `python -m bench plots [--results bench/results]`.

Reads the JSON lines of all files there and draws a plot for each benchmark that has lines; several files of one
benchmark are merged, by system and setting. A plot without lines is skipped, with a message.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Line = dict[str, object]

OURS = "#b5442b"
COLOURS = {
    "bannerstream": OURS,
    "bannerstream-rocksdb": OURS,
    "kafka-streams": "#3d5a80",
    "quix": "#6b8f71",
    "pathway": "#5d8a8a",
    "faust": "#a39081",
    "confluent": "#8d99ae",
}
PERCENTILES = {"p50_ms": "median", "p99_ms": "99 %", "p999_ms": "99.9 %"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the plots."""
    parser = argparse.ArgumentParser(prog="python -m bench plots", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, default=Path("bench/results"), help="folder of *.jsonl (default bench/results)"
    )
    parser.add_argument(
        "--images", type=Path, default=Path("docs/images"), help="folder for the plots (default docs/images)"
    )
    options = parser.parse_args(arguments)
    lines = read(options.results)
    options.images.mkdir(parents=True, exist_ok=True)
    # Text stays text (searchable, in the reader's font), and the same lines give the same bytes.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bannerstream", "axes.spines.top": False}
    mpl.rcParams |= {"axes.spines.right": False, "font.size": 10}
    for name, plot in PLOTS.items():
        figure = plot([line for line in lines if line.get("bench") == name])
        if figure is None:
            print(f"skipped the plot of {name}: there are no results", file=sys.stderr)
            continue
        figure.savefig(options.images / f"performance-{name}.svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)


def read(folder: Path) -> list[Line]:
    """Return the lines of all files in a folder, in order of their names; none if the folder does not exist.

    The device and the mark of a `--quick` run, which a run reports once, are added to all its lines.
    """
    lines: list[Line] = []
    for file in sorted(folder.glob("*.jsonl")):
        context: Line = {}
        for line in map(json.loads, filter(None, file.read_text(encoding="utf-8").splitlines())):
            if line.get("bench") == "machine":
                context = {"quick": True} if "--quick" in str(line.get("command")).split() else {}
            elif "device" in line:
                context |= {"device": line["device"]}
            lines.append(context | line)
    return lines


def throughput(lines: Sequence[Line]) -> Figure | None:
    """Draw bars of events per second: a panel for each number of users and distribution, the best systems first.

    A bar is the median over rounds; its whisker spans the slowest and the fastest. Wrong results are not drawn.
    """
    right = [line for line in lines if line["correct"]]
    panels = sorted(_grouped(right, "users", "distribution").items())
    if not panels:
        return None
    # The height of a panel depends on its number of bars.
    heights = [len(_grouped(panel, "system", "setting", "work")) for _, panel in panels]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(8, 0.9 * len(panels) + 0.3 * sum(heights)), squeeze=False, height_ratios=heights
    )
    for (key, panel), axis in zip(panels, axes[:, 0], strict=True):
        _bars(axis, panel)
        users, distribution = key
        axis.set_title(f"{users:,} users, {distribution}", loc="left", fontsize=11)
    axes[-1, 0].set_xlabel("events per second (thousands)")
    figure.tight_layout()
    return figure


def _bars(axis: Axes, panel: Sequence[Line]) -> None:
    rates = {
        key: sorted(float(str(line["events_per_s"])) / 1000 for line in rounds)
        for key, rounds in _grouped(panel, "system", "setting", "work").items()
    }
    ordered = sorted(rates, key=lambda key: median(rates[key]))
    medians = [median(rates[key]) for key in ordered]
    whiskers = [
        [middle - rates[key][0] for key, middle in zip(ordered, medians, strict=True)],
        [rates[key][-1] - middle for key, middle in zip(ordered, medians, strict=True)],
    ]
    labels = [_label(*map(str, key)) for key in ordered]
    colours = [COLOURS.get(str(key[0]), "#777777") for key in ordered]
    axis.barh(labels, medians, xerr=whiskers, color=colours, error_kw={"ecolor": "#333333", "capsize": 2, "lw": 1})
    for number, (key, middle) in enumerate(zip(ordered, medians, strict=True)):
        text = f" {middle:,.0f}" if middle >= 10 else f" {middle:.1f}"
        axis.text(rates[key][-1], number, text, va="center", fontsize=9)


def _label(system: str, setting: str, work: str) -> str:
    return f"{system}, {setting}" + (" (whole work)" if work == "full" else "")


def latency(lines: Sequence[Line]) -> Figure | None:
    """Draw percentiles of the product's time from event to request over the offered rate, both logarithmic."""
    lines = [line for line in lines if line.get("system", "bannerstream") == "bannerstream"]
    if not lines:
        return None
    figure, axis = plt.subplots(figsize=(7, 4))
    rates = sorted(_grouped(lines, "offered_per_s").items())
    for (name, label), shade in zip(PERCENTILES.items(), (0.45, 0.7, 1.0), strict=True):
        offered = [float(str(key[0])) for key, _ in rates]
        values = [median(float(str(line[name])) for line in rounds) for _, rounds in rates]
        axis.plot(offered, values, marker="o", color=OURS, alpha=shade, label=label)
        axis.annotate(label, (offered[-1], values[-1]), (6, 0), textcoords="offset points", va="center")
    axis.set(xscale="log", yscale="log", xlabel="events per second offered", ylabel="event to request (ms)")
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter("{x:,.0f}")
    axis.grid(visible=True, which="major", alpha=0.3)
    return figure


def recovery(lines: Sequence[Line]) -> Figure | None:
    """Draw bars of the time from a kill to the first folded event, with the reading of the changelog highlighted."""
    groups = sorted(_grouped(lines, "users", "system").items())
    if not groups:
        return None
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.45 * len(groups)))
    labels = [f"{system}, {users:,} users" for (users, system), _ in groups]
    colours = [COLOURS.get(str(key[1]), "#777777") for key, _ in groups]
    for name, shade in (("first_event_s", 0.45), ("restore_s", 1.0)):
        values = [median(float(str(line[name])) for line in rounds) for _, rounds in groups]
        bars = axis.barh(labels, values, color=colours, alpha=shade)
        if name == "first_event_s":
            axis.bar_label(bars, fmt=" %.2g s", fontsize=9)
    axis.set_xlabel("seconds to the first folded event; darker: reading the changelog")
    return figure


def scaleout(lines: Sequence[Line]) -> Figure | None:
    """Draw bars of the time without progress for each event, without a standby and with one."""
    finished = [line for line in lines if line["pause_s"] is not None]
    groups = sorted(_grouped(finished, "event", "standbys").items(), key=lambda group: group[0], reverse=True)
    if not groups:
        return None
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.35 * len(groups)))
    labels = [f"{event}, {standbys} standby" for (event, standbys), _ in groups]
    bars = axis.barh(
        labels, [median(float(str(line["pause_s"])) for line in rounds) for _, rounds in groups], color=OURS
    )
    axis.bar_label(bars, fmt=" %.2g s", fontsize=9)
    axis.set_xlabel("seconds without progress, in the partition that waited longest")
    return figure


def changelog(lines: Sequence[Line]) -> Figure | None:
    """Draw changelog records per event over the commit interval, both logarithmic."""
    right = [line for line in lines if line["correct"]]
    if not right:
        return None
    figure, axis = plt.subplots(figsize=(7, 3.5))
    for ((work,), of_work), shade in zip(sorted(_grouped(right, "work").items()), (0.45, 1.0), strict=False):
        curve = sorted(_grouped(of_work, "interval_s").items())
        intervals = [float(str(key[0])) for key, _ in curve]
        written = [median(float(str(line["records_per_event"])) for line in rounds) for _, rounds in curve]
        axis.plot(intervals, written, marker="o", color=OURS, alpha=shade)
        axis.annotate(f"{work} work", (intervals[-1], written[-1]), (6, 0), textcoords="offset points", va="center")
    axis.set(xscale="log", yscale="log", xlabel="commit interval (s)", ylabel="records per event")
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter("{x:g}")
        scale.set_minor_formatter("{x:.2g}")
    axis.grid(visible=True, which="both", alpha=0.3)
    return figure


def _grouped(lines: Iterable[Line], *fields: str) -> dict[tuple[object, ...], list[Line]]:
    groups: dict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in lines:
        groups[tuple(line[field] for field in fields)].append(line)
    return groups


PLOTS: dict[str, Callable[[Sequence[Line]], Figure | None]] = {
    "streams": throughput,
    "latency": latency,
    "recovery": recovery,
    "scaleout": scaleout,
    "changelog": changelog,
}

if __name__ == "__main__":
    main()
