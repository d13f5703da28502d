"""Looks over decisions without waiting for their visitors' next events.

Two kinds are wrong while nobody clicks. A product that generators have refused since gets no banner: its visitors get
their next best product. A banner that never became ready is requested again: its request, or what the bucket or
`banner.ready` held, was lost. Both are bounded in rate, and both decide from states and catalogue only, as of each
visitor's last event: an event that comes later, or again, decides the same.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Set

import numpy as np
import structlog

from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.streams.affinity import Catalogue, Decision, UserState, settle
from bannerstream.streams.affinity.state import decision_of
from bannerstream.streams.batch import BatchOutcome, CausedRequest, Rules
from bannerstream.streams.batching import Batch, BatchApp, Partition
from bannerstream.streams.errors import BrokenState
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.ready_banners import ReadyBanners
from bannerstream.streams.recent_keys import RecentKeys

_log = structlog.get_logger(__name__)

EVERY_S = 300.0
"""Between two sweeps of a partition: 100,000 visitors take about 0.3 s of processor time."""
SOON_S = 30.0
"""The same, where products have been refused since: a longer list of words refuses them one after another."""
SLICE = 5_000
"""States looked at before the event loop gets a turn: about 15 ms."""
DECIDED_AT_ONCE = 1_000
"""Visitors decided for in one checkpoint."""
MOST_REQUESTS = 1_000
"""Banners requested again by one sweep: generators take minutes for as many, and the next sweep goes on."""

Current = list[tuple[bytes, Decision]]
"""Visitors' keys with their decisions."""


def decisions_of(states: Partition[UserState]) -> Iterator[Current]:
    """Yield the acknowledged decisions of a partition, `SLICE` visitors at a time."""
    current: Current = []
    for count, (key, packed) in enumerate(states.packed_store.items(), start=1):
        decision = decision_of(packed)
        if decision is not None:
            current.append((key, decision))
        if count % SLICE == 0:
            yield current
            current = []
    yield current


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._catalogue = catalogue
        self._rules = rules
        self._ready = ready
        self._recently_requested = recently_requested
        self._metrics = metrics
        self._clock = clock
        self._due: dict[int, tuple[float, float, Set[str]]] = {}
        """By partition: when the next sweep is due, when at the earliest, and which products were refused last time."""

    def sweep_if_due(self, batch: Batch, states: Partition[UserState]) -> None:
        """Start a sweep of the batch's partition, if one is due."""
        partition, now_s, refused = batch.tp.partition, self._clock(), self._catalogue().refused
        if partition not in self._due:  # not at once: the batches after a start are many
            self._due[partition] = now_s + SOON_S, now_s + SOON_S, refused
        due_s, earliest_s, known = self._due[partition]
        if now_s >= (due_s if refused <= known else earliest_s):
            self._due[partition] = now_s + EVERY_S, now_s + SOON_S, refused
            self._app.add_future(self._sweep(partition, states))

    async def _sweep(self, partition: int, states: Partition[UserState]) -> None:
        requested: set[str] = set()
        for current in decisions_of(states):
            if self._is_over(partition, states):
                return
            refused = [key for key, decision in current if decision.product_id in self._catalogue().refused]
            for start in range(0, len(refused), DECIDED_AT_ONCE):
                await self._app.checkpointer.wait_for_capacity()
                if self._is_over(partition, states):
                    return
                self._decide_again(partition, states, refused[start : start + DECIDED_AT_ONCE])
            self._request_again(partition, current, requested)
            await asyncio.sleep(0)

    def _is_over(self, partition: int, states: Partition[UserState]) -> bool:
        """Return whether the partition was, or may be, reassigned; its next owner starts its own sweep."""
        if not self._app.rebalancing and self._app.written.partitions_here.find(partition) is states:
            return False
        self._due.pop(partition, None)
        return True

    def _decide_again(self, partition: int, states: Partition[UserState], keys: list[bytes]) -> None:
        """Decide for visitors whose product is refused; those whose decision has changed meanwhile are left alone."""
        catalogue, rules, outcome = self._catalogue(), self._rules, BatchOutcome()
        for key in keys:
            try:
                state = states.get(key)
            except BrokenState:
                continue  # the visitor's next event reports it
            if state is None or state.decision is None or state.decision.product_id not in catalogue.refused:
                continue
            if settle(state, catalogue, rules.policy, rules.draw, key):
                _announce(key, state, catalogue, outcome)
            states.put(key, state)
            outcome.changed.add(key)
        if outcome.changed:
            self._app.checkpointer.submit_change(partition, urgent=outcome.changed, effects=outcome)
            self._metrics.rechecked.labels("refused").inc(len(outcome.changed))

    def _request_again(self, partition: int, current: Current, requested: set[str]) -> None:
        """Request the banners of these decisions that are not ready and were not requested recently."""
        catalogue, outcome = self._catalogue(), BatchOutcome()
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
                outcome.requests[banner_key] = _request(banner_key, decision, catalogue, f"{key.decode()}:again")
        if outcome.requests:
            self._app.checkpointer.submit_change(partition, urgent=(), effects=outcome)
            self._metrics.rechecked.labels("not_ready").inc(len(outcome.requests))
            _log.info("requested banners again that are not ready", banners=len(outcome.requests), partition=partition)


def _announce(key: bytes, state: UserState, catalogue: Catalogue, outcome: BatchOutcome) -> None:
    decision = state.decision
    if decision is None:
        return
    banner_key = catalogue.banner_key(decision.product_id, decision.cohort_id, decision.variant)
    outcome.assignments[key] = Assignment(
        user_key=key.decode(),
        epoch=state.epoch,
        banner_key=banner_key,
        product_id=decision.product_id,
        cohort_id=decision.cohort_id,
        variant=decision.variant,
        decided_at=state.landmark_ms + decision.decided_ms,
    )
    if banner_key not in outcome.requests:
        outcome.requests[banner_key] = _request(banner_key, decision, catalogue, f"{key.decode()}:{state.epoch}")


def _request(banner_key: str, decision: Decision, catalogue: Catalogue, cause: str) -> CausedRequest:
    product, now_ms = catalogue.products[decision.product_id], time.time_ns() // 1_000_000
    request = BannerRequest(
        banner_key=banner_key,
        product=product,
        cohort=catalogue.cohorts[decision.cohort_id],
        locale=product.locale,
        variant=decision.variant,
        creative_revision=catalogue.creative_revision,
        requested_at=now_ms,
        event_appended_at=now_ms,
        favourites=catalogue.favourites(decision.cohort_id),
    )
    return CausedRequest(request, cause)
