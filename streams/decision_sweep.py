"""Looks over decisions without waiting for their visitors' next events.

Two kinds are wrong while nobody clicks. A product that generators have refused since gets no banner: its visitors get
their next best product. A banner that never became ready is requested again: its request, or what the bucket or
`banner.ready` held, was lost. With `streams.announce_decisions`, the first sweep of a partition announces every
decision again, because `banner.assignments` was lost. All is bounded in rate, and decides from states and catalogue
only, as of each visitor's last event: an event that comes later, or again, decides the same.
"""

import asyncio
import time
from collections.abc import Callable, Set

import numpy as np
import structlog

from bannerstream.streams.affinity import Catalogue, UserState, settle
from bannerstream.streams.announcer import Announcement
from bannerstream.streams.batch import Rules
from bannerstream.streams.batching import Batch, BatchApp
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar.states import Current
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.outcome import BatchOutcome, CausedRequest
from bannerstream.streams.ready_banners import ReadyBanners
from bannerstream.streams.recent_keys import RecentKeys

_log = structlog.get_logger(__name__)

EVERY_S = 300.0
"""Between two sweeps of a partition: 100,000 visitors take 0.1 s of processor time (memory store)."""
FIRST_S = 5.0
"""From a partition's first batch to its first sweep: the batches after a start are many."""
SOON_S = 30.0
"""Between two sweeps where products have been refused since: a longer list of words refuses them one after another."""
DECIDED_AT_ONCE = 1_000
"""Visitors decided for in one checkpoint."""
MOST_REQUESTS = 1_000
"""Banners requested again by one sweep: generators take minutes for as many, and the next sweep goes on."""


class DecisionSweep:
    """Sweeps each partition every `EVERY_S`, as long as it gets events. `clock` in seconds."""

    def __init__(
        self,
        app: BatchApp,
        catalogue: Callable[[], Catalogue],
        rules: Rules,
        *,
        ready: ReadyBanners,
        recently_requested: RecentKeys,
        metrics: StreamsMetrics,
        announce_all: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._catalogue = catalogue
        self._rules = rules
        self._ready = ready
        self._recently_requested = recently_requested
        self._metrics = metrics
        self._announce_all = announce_all
        self._clock = clock
        self._announced: set[int] = set()
        """Partitions of which every decision has been announced."""
        self._due: dict[int, tuple[float, float, Set[str]]] = {}
        """By partition: when the next sweep is due, when at the earliest, and which products were refused last time."""

    def sweep_if_due(self, batch: Batch, states: ColumnarStates) -> None:
        """Start a sweep of the batch's partition, if one is due."""
        partition, now_s, refused = batch.tp.partition, self._clock(), self._catalogue().refused
        if partition not in self._due:
            self._due[partition] = now_s + FIRST_S, now_s + FIRST_S, refused
        due_s, earliest_s, known = self._due[partition]
        if now_s >= (due_s if refused <= known else earliest_s):
            self._due[partition] = now_s + EVERY_S, now_s + SOON_S, refused
            self._app.add_future(self._sweep(partition, states))

    async def _sweep(self, partition: int, states: ColumnarStates) -> None:
        requested: set[str] = set()
        announcing = self._announce_all and partition not in self._announced
        for current in states.decisions():
            if self._is_over(partition, states):
                return
            refused = self._catalogue().refused
            keys = [key for key, decision in current if announcing or decision.product_id in refused]
            for start in range(0, len(keys), DECIDED_AT_ONCE):
                await self._app.checkpointer.wait_for_capacity()
                if self._is_over(partition, states):
                    return
                self._decide_again(partition, states, keys[start : start + DECIDED_AT_ONCE], announcing=announcing)
            self._request_again(partition, current, requested)
            await asyncio.sleep(0)
        if announcing:
            self._announced.add(partition)
            _log.info("announced every decision", partition=partition)

    def _is_over(self, partition: int, states: ColumnarStates) -> bool:
        """Return whether the partition was, or may be, reassigned; its next owner starts its own sweep."""
        if not self._app.rebalancing and self._app.written.partitions_here.find(partition) is states:
            return False
        self._due.pop(partition, None)
        self._announced.discard(partition)
        return True

    def _decide_again(self, partition: int, states: ColumnarStates, keys: list[bytes], *, announcing: bool) -> None:
        """Decide again for these visitors, and announce what changed or, if `announcing`, every decision."""
        catalogue, rules, outcome = self._catalogue(), self._rules, BatchOutcome()
        now_ms, changed = time.time_ns() // 1_000_000, dict[bytes, UserState]()
        announcements: list[Announcement] = []
        for key, state in states.get_all(keys).items():  # of one that cannot be read, the visitor's next event reports
            if isinstance(state, Exception) or (before := state.decision) is None:
                continue
            refused = before.product_id in catalogue.refused
            if not refused and not announcing:
                continue  # an event came meanwhile
            is_new = settle(state, catalogue, rules.policy, rules.draw, key)
            if (is_new or announcing) and (decision := state.decision) is not None:
                banner = decision.product_id, decision.cohort_id, decision.variant
                announcements.append((key, state.epoch, banner, state.landmark_ms + decision.decided_ms, now_ms))
            if state.decision is not before:
                changed[key] = state
            self._metrics.rechecked.labels("refused").inc(refused)
        states.put_all(list(changed), list(changed.values()))
        outcome.changed.update(changed)
        rules.announcers.of(catalogue).announce(announcements, outcome, now_ms)
        if outcome.urgent:
            self._app.checkpointer.submit_change(partition, urgent=outcome.urgent, effects=outcome)

    def _request_again(self, partition: int, current: Current, requested: set[str]) -> None:
        """Request the banners of these decisions that are not ready and were not requested recently."""
        catalogue, outcome, now_ms = self._catalogue(), BatchOutcome(), time.time_ns() // 1_000_000
        announcer = self._rules.announcers.of(catalogue)
        fingerprints = np.array([decision.banner_fingerprint for _, decision in current], np.uint64)
        for index in np.flatnonzero(self._ready.missing(fingerprints)).tolist():
            if len(requested) >= MOST_REQUESTS:
                break
            key, decision = current[index]
            if not catalogue.holds(decision.product_id, decision.cohort_id):
                continue
            banner_key = catalogue.banner_key(decision.product_id, decision.cohort_id, decision.variant)
            if int(banner_key[:16], 16) != decision.banner_fingerprint:
                continue  # the product's facts changed: the visitor's next event leads to the new banner
            if banner_key not in requested and banner_key not in self._recently_requested:
                requested.add(banner_key)
                request = announcer.request(
                    banner_key, (decision.product_id, decision.cohort_id, decision.variant), now_ms, now_ms
                )
                outcome.requests[banner_key] = CausedRequest(request, f"{key.decode()}:again")
        if outcome.requests:
            self._app.checkpointer.submit_change(partition, urgent=(), effects=outcome)
            self._metrics.rechecked.labels("not_ready").inc(len(outcome.requests))
            _log.info("requested banners again that are not ready", banners=len(outcome.requests), partition=partition)
