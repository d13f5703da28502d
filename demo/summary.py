"""The demo's summary: counts of input and results, and the check that they balance."""

from collections.abc import Mapping, Sequence

from bannerstream.demo.errors import DemoIncomplete
from bannerstream.demo.watcher import Observed


def summarise(
    observed: Observed, *, events_in: int, events_folded: int, duplicates: int, banners: int
) -> dict[str, object]:
    """Return the demo's JSON object.

    `events_in` is the producer's count, `events_folded` and `duplicates` (repeated events) are counters of the streams
    worker, `banners` is counted in the bucket, the rest from the topics. Repeats of a message count once.

    Raises:
        DemoIncomplete: an event is neither folded, a duplicate nor a dead letter, or a banner is missing somewhere.
    """
    dead_letters = observed.dead_letters.total()
    summary: dict[str, object] = {
        "events_in": events_in,
        "events_folded": events_folded,
        "duplicates": duplicates,
        "dead_letters": dead_letters,
        "assignments": len(observed.assignments),
        "requests": len(observed.requests),
        "banners": banners,
        "ready": len(observed.ready),
        "unmakeable": len(observed.unmakeable),
        "event_to_ready_ms": latency(observed.event_to_ready_ms()),
    }
    if events_in != events_folded + duplicates + dead_letters:
        raise DemoIncomplete(
            f"{events_in} events were sent, {events_folded} were folded, {duplicates} were duplicates, {dead_letters} "
            f"became dead letters: {summary}"
        )
    if not len(observed.requests) - len(observed.unmakeable) == len(observed.ready) == banners:
        raise DemoIncomplete(
            f"{len(observed.requests)} banners were requested, {len(observed.unmakeable)} cannot be made here, "
            f"{len(observed.ready)} were announced, {banners} stored"
        )
    return summary


def latency(ascending_ms: Sequence[int]) -> Mapping[str, int | None]:
    """Return p50 and p99 by nearest rank; None without values."""
    return {"p50": percentile(ascending_ms, 50), "p99": percentile(ascending_ms, 99)}


def percentile(ascending: Sequence[int], percent: int) -> int | None:
    """Return the percentile by nearest rank, or None for an empty sequence."""
    if not ascending:
        return None
    rank = -(-len(ascending) * percent // 100)  # rounded up
    return ascending[max(0, rank - 1)]
