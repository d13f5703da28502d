"""Targets of the benchmarks, and how their figures follow from the raw results. Pure: from lines to figures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median
from typing import Any

Line = dict[str, Any]

RECORDS_PER_EVENT_GOAL = 0.1
"""Changelog records per event; the page names the commit interval that reaches it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target. `figure` returns None where the lines do not contain it."""

    what: str
    bound: float
    is_least: bool
    """Whether the bound is a minimum; otherwise it is a maximum."""
    unit: str
    command: str
    figure: Callable[[Sequence[Line]], float | None]

    def is_met(self, figure: float) -> bool:
        """Return whether a figure meets the target."""
        return figure >= self.bound if self.is_least else figure <= self.bound

    def missed_by(self, figure: float) -> float:
        """Return by what share of the bound a figure misses it; 0 where it is met."""
        return 0.0 if self.is_met(figure) else abs(figure - self.bound) / self.bound


def chosen(lines: Iterable[Line], **wanted: object) -> list[Line]:
    """Return the lines with these values that are not marked as wrong."""
    return [
        line
        for line in lines
        if line.get("correct", True) and all(line.get(field) == value for field, value in wanted.items())
    ]


def median_of(lines: Iterable[Line], field: str, **wanted: object) -> float | None:
    """Return the median of a field over the chosen lines that have it; None if no line has it."""
    values = [line[field] for line in chosen(lines, **wanted) if line.get(field) is not None]
    return float(median(values)) if values else None


def best_rate(lines: Sequence[Line], **wanted: object) -> float | None:
    """Return the highest median rate of a system over its settings."""
    settings = {line["setting"] for line in chosen(lines, bench="streams", **wanted)}
    rates = [median_of(lines, "events_per_s", bench="streams", setting=setting, **wanted) for setting in settings]
    return max((rate for rate in rates if rate is not None), default=None)


def faster_than(
    peer: str, users: int, work: str = "common", distribution: str = "uniform"
) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: our best rate divided by the peer's best, with uniformly drawn users.

    The peer does the common work; the product does `work`.
    """

    def figure(lines: Sequence[Line]) -> float | None:
        # Where users were warmed up, figures that include their first events are of another kind.
        lines = chosen(lines, warm=True) or lines
        place = {"users": users, "distribution": distribution}
        ours = best_rate(lines, system="bannerstream", work=work, **place)
        theirs = best_rate(lines, system=peer, work="common", **place)
        return None if ours is None or not theirs else ours / theirs

    return figure


def of_product(lines: Iterable[Line]) -> list[Line]:
    """Return the lines of the product; those of before the floor was measured beside it name no system."""
    return [line for line in lines if line.get("system", "bannerstream") == "bannerstream"]


def latency_at(per_s: int, **wanted: object) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: the 99th percentile at an offered rate, without runs in which the load fell behind."""
    wanted |= {"bench": "latency", "offered_per_s": per_s, "fell_behind": False}
    return lambda lines: median_of(of_product(lines), "p99_ms", **wanted)


def over_the_floor(per_s: int, **wanted: object) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: that percentile, divided by the one of the floor at the same rate."""

    def figure(lines: Sequence[Line]) -> float | None:
        floor = median_of(lines, "p99_ms", bench="latency", system="floor", offered_per_s=per_s, fell_behind=False)
        ours = latency_at(per_s, **wanted)([line for line in lines if "system" in line])
        return None if ours is None or not floor else ours / floor

    return figure


def recovery(lines: Sequence[Line]) -> float | None:
    """Return seconds to the first folded event with a million users, without the group's join."""
    found = chosen(lines, bench="recovery", system="bannerstream", users=1_000_000)
    return median([line["first_event_s"] - line["join_s"] for line in found]) if found else None


def at_rest(lines: Sequence[Line]) -> float | None:
    """Return bytes per state of the product without its key. Fewer than a million could fit into free memory."""
    return median_of(lines, "bytes_per_user", bench="memory", state="full", store="memory", users=1_000_000)


def worker_memory(lines: Sequence[Line]) -> float | None:
    """Return the peak memory of a worker with a million users."""
    return median_of(lines, "peak_rss_mb", bench="memory", state="full", store="memory", users=1_000_000)


def poison_cost(lines: Sequence[Line]) -> float | None:
    """Return the share of throughput that bad records cost; negative if the difference is noise."""
    clean = median_of(lines, "events_per_s", bench="poison", users=200_000, poison=0.0)
    bad = median_of(lines, "events_per_s", bench="poison", users=200_000, poison=0.01)
    return None if not clean or bad is None else 100 * (1 - bad / clean)


def records_per_event(work: str) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: changelog records per event at an interval of 1 s."""
    return lambda lines: median_of(
        lines, "records_per_event", bench="changelog", work=work, interval_s=1.0, users=1_000_000
    )


def interval_for(lines: Sequence[Line], share: float, work: str) -> float | None:
    """Return the commit interval, in seconds, at which this many records per event are written.

    Interpolates logarithmically between two measured intervals; returns None if none reaches it.
    """
    found = chosen(lines, bench="changelog", work=work, users=1_000_000)
    curve = [
        (interval, median([line["records_per_event"] for line in found if line["interval_s"] == interval]))
        for interval in sorted({line["interval_s"] for line in found})
    ]
    before: tuple[float, float] | None = None
    for interval, written in curve:
        if written <= share:
            if before is None or before[1] <= written or written <= 0:
                return float(interval)
            part = log(before[1] / share) / log(before[1] / written)
            return exp(log(before[0]) + part * log(interval / before[0]))
        before = (interval, written)
    return None


def click_to_pixels(case: str) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: the 99th percentile from a click to the new banner's pixels, without other load."""
    return lambda lines: median_of(lines, "p99_ms", bench="loop", case=case, clients=1, background_per_s=0)


def edge_figure(case: str, field: str, **wanted: object) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure of an edge node."""
    return lambda lines: median_of(lines, field, bench="edge", case=case, **wanted)


def on(device: str, lines: Sequence[Line]) -> list[Line]:
    """Return the lines of devices whose name contains `device`."""
    return [line for line in lines if device in str(line.get("device"))]


def painter_at_best(
    field: str, best: Callable[[Iterable[float]], float], **wanted: object
) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: a model of SD-Turbo's size paints 512x512 on an H200, at its best batch, compiled or not."""
    place = {"bench": "generator", "system": "painter", "architecture": "sd-turbo", "size": "512x512"}

    def figure(lines: Sequence[Line]) -> float | None:
        found = chosen(on("H200", lines), **place, **wanted)
        settings = {(line["batch"], line["compiled"]) for line in found}
        medians = [median_of(found, field, batch=batch, compiled=compiled) for batch, compiled in settings]
        known = [value for value in medians if value is not None]
        return best(known) if known else None

    return figure


def worker_share(device: str, architecture: str) -> Callable[[Sequence[Line]], float | None]:
    """Return a figure: the whole worker's pictures per second as a share of its painter's alone."""
    wanted = {"bench": "generator", "system": "worker", "architecture": architecture}
    return lambda lines: median_of(on(device, lines), "of_painter", **wanted)


def painter_beside_diffusers(lines: Sequence[Line]) -> float | None:
    """Return the painter's rate on CPU divided by that of diffusers: the minimum over settings with equal work."""
    by = ("decoder", "size", "batch", "compiled")
    found = chosen(on("cpu", lines), bench="generator", architecture="reduced")
    settings = {tuple(line[field] for field in by) for line in found if line.get("painted") == line.get("size", "")}
    ratios = []
    for setting in settings:
        alike = dict(zip(by, setting, strict=True)) | {"painted": setting[1]}
        ours, theirs = (median_of(found, "images_per_s", system=each, **alike) for each in ("painter", "diffusers"))
        if ours is not None and theirs:
            ratios.append(ours / theirs)
    return min(ratios, default=None)


def studio_banner(lines: Sequence[Line]) -> float | None:
    """Return milliseconds of one core for a banner of the studio in every size."""
    return median_of(lines, "cpu_ms", bench="composing", stage="all")


def encoding(lines: Sequence[Line]) -> float | None:
    """Return milliseconds of one core to encode a banner, the mean of its sizes."""
    found = chosen(lines, bench="composing", stage="encode")
    return median([line["cpu_ms"] / line["sizes"] for line in found]) if found else None


def worker_cpu(lines: Sequence[Line]) -> float | None:
    """Return the processor time of one worker's whole work on an event, in microseconds."""
    wanted = {"bench": "streams", "system": "bannerstream", "setting": "1-worker", "work": "full", "warm": True}
    return median_of(lines, "cpu_us_per_event", users=200_000, distribution="uniform", **wanted)


def start(lines: Sequence[Line]) -> float | None:
    """Return the processor time that a worker's start takes until it folds, reading its changelogs included."""
    return median_of(lines, "start_cpu_s", bench="restart", checkout="this")


def restart(lines: Sequence[Line]) -> float | None:
    """Return the time without progress when a worker beside another is killed and comes back."""
    return median_of(lines, "pause_s", bench="restart", checkout="this")


_STREAMS = "python -m bench streams --users 1000,200000 --events 5000000"
_GENERATOR = "python -m bench generator"

TARGETS = (
    Target(
        "throughput, 200,000 users, against Kafka Streams at its best", 3.0, True, "×", _STREAMS,
        faster_than("kafka-streams", 200_000),
    ),
    Target(
        "throughput, 1,000 users, against Kafka Streams at its best", 4.0, True, "×", _STREAMS,
        faster_than("kafka-streams", 1_000),
    ),
    Target("throughput, 200,000 users, against Quix Streams", 5.0, True, "×", _STREAMS, faster_than("quix", 200_000)),
    Target("throughput, 200,000 users, against stock Faust", 80.0, True, "×", _STREAMS, faster_than("faust", 200_000)),
    Target(
        "throughput of the whole work, 200,000 users, against Kafka Streams doing the common work", 1.5, True, "×",
        _STREAMS, faster_than("kafka-streams", 200_000, "full"),
    ),
    Target(
        "the same, Zipf(1.1) over 1,000,000 users", 1.5, True, "×",
        "python -m bench streams --users 1000000 --distribution zipf --events 5000000",
        faster_than("kafka-streams", 1_000_000, "full", "zipf"),
    ),
    Target(
        "processor time of an event, whole work, one worker, 200,000 users", 11.0, False, "µs", _STREAMS, worker_cpu,
    ),
    Target(
        "event to request, 99th percentile against that of the floor, 10,000 a second", 1.5, False, "×",
        "python -m bench latency", over_the_floor(10_000, workers=1),
    ),
    Target(
        "the same at 50,000 a second, two workers", 3.0, False, "×",
        "python -m bench latency --workers 1,2", over_the_floor(50_000, workers=2),
    ),
    Target(
        "event to request at 10,000 events a second, 99th percentile", 50.0, False, "ms", "python -m bench latency",
        latency_at(10_000),
    ),
    Target(
        "event to request at 100,000 events a second, 99th percentile", 150.0, False, "ms", "python -m bench latency",
        latency_at(100_000),
    ),
    Target(
        "first folded event after a kill, 1,000,000 users, without the group's join", 3.0, False, "s",
        "python -m bench recovery", recovery,
    ),
    Target(
        "memory per user at rest, without the key", 330.0, False, "B", "python -m bench memory", at_rest,
    ),
    Target("peak memory of a worker with 1,000,000 users", 500.0, False, "MB", "python -m bench memory", worker_memory),
    Target(
        "no progress when a worker beside another is killed and comes back", 4.0, False, "s",
        "python -m bench restart", restart,
    ),
    Target(
        "processor time of a worker's start, until it folds", 1.5, False, "s",
        "python -m bench restart", start,
    ),
    Target("throughput lost to 1 % bad records (poison)", 5.0, False, "%", "python -m bench poison", poison_cost),
    Target(
        "changelog records per event, Zipf(1.1) over 1,000,000 users, interval 1 s, common work", 0.4, False, "",
        "python -m bench changelog", records_per_event("common"),
    ),
    Target(
        "the same for the whole work", 0.4, False, "", "python -m bench changelog", records_per_event("full"),
    ),
    Target(
        "click to pixels, banner exists, 1 page, no other load, 99th percentile", 500.0, False, "ms",
        "python -m bench loop", click_to_pixels("existing"),
    ),
    Target(
        "the same, the studio paints the banner first", 1500.0, False, "ms",
        "python -m bench loop", click_to_pixels("painted"),
    ),
    Target(
        "`GET /v1/banner` against a bare FastAPI route", 0.8, True, "×",
        "python -m bench edge --case rate", edge_figure("rate", "share"),
    ),
    Target(
        "memory of a node with 5,000 live streams", 400.0, False, "MB",
        "python -m bench edge --case streams", edge_figure("streams", "rss_mb", streams=5_000),
    ),
    Target(
        "start to readiness of a node with 1,000,000 visitors", 30.0, False, "s",
        "python -m bench edge --case load", edge_figure("load", "ready_s", visitors=1_000_000),
    ),
    Target(
        "peak memory of that node", 400.0, False, "MB",
        "python -m bench edge --case load", edge_figure("load", "peak_mb", visitors=1_000_000),
    ),
    Target(
        "H200, model of SD-Turbo's size, 512x512 in one step with TAESD", 250.0, True, "images/s", _GENERATOR,
        painter_at_best("images_per_s", max, decoder="taesd"),
    ),
    Target(
        "the same with the full VAE", 90.0, True, "images/s", _GENERATOR,
        painter_at_best("images_per_s", max, decoder="vae"),
    ),
    Target(
        "the same with TAESD, one picture alone", 12.0, False, "ms", _GENERATOR,
        painter_at_best("latency_ms", min, decoder="taesd", batch=1),
    ),
    Target(
        "the whole worker there, against its painter alone", 0.9, True, "×", _GENERATOR,
        worker_share("H200", "sd-turbo"),
    ),
    Target(
        "CPU: painter against plain diffusers, worst of the equal settings", 1.0, True, "×", _GENERATOR,
        painter_beside_diffusers,
    ),
    Target(
        "CPU: the whole worker, against its painter alone", 0.9, True, "×", _GENERATOR,
        worker_share("cpu", "reduced"),
    ),
    Target(
        "encoding a banner as WebP and JPEG, mean of its four sizes, one core", 8.0, False, "ms",
        "python -m bench composing", encoding,
    ),
    Target(
        "a banner of the studio in four sizes, one core", 250.0, False, "ms",
        "python -m bench composing", studio_banner,
    ),
)  # fmt: skip
