"""Reads and follows the tallies of every partition, for the posterior and for reports."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from bannerstream.broker.compacted_view import CompactedView, by_partition_and_key, read_compacted
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.topics import create_changelog, tallies_name
from bannerstream.settings import Settings
from bannerstream.streams.affinity import Catalogue
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.experiments.metrics import DrawMetrics
from bannerstream.streams.experiments.posterior import Guard, Posterior, fit
from bannerstream.streams.experiments.tally import Tally, TallyKey, unpack


async def read_results(settings: Settings) -> dict[TallyKey, Tally]:
    """Return the current tallies, summed over partitions; empty if the experiments worker has never run.

    Raises:
        ServiceUnavailable, ConfigurationError: see `broker.compacted_view.CompactedView`.
    """
    topic = tallies_name(settings.streams.app_id)
    try:
        found = await read_compacted(settings.kafka, topic, unpack, by_partition_and_key)
    except TopicMissing:
        return {}
    summed: dict[TallyKey, Tally] = {}
    for key, tally in _with_keys(found.items()):
        total = summed.setdefault(key, Tally())
        total.impressions += tally.impressions
        total.clicks += tally.clicks
    return summed


class Results:
    """Follows the tallies; `draw` chooses by their values at the last refresh. Call `start` before use."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Callable[[], Catalogue],
        metrics: DrawMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        experiments = settings.experiments
        self._settings = settings
        self._catalogue = catalogue
        self._metrics = metrics
        self._clock = clock
        self._guard = Guard(
            experiments.minimum_exploration,
            {brand: frozenset(variants) for brand, variants in experiments.brand_variants.items()},
        )
        self._view = CompactedView(settings.kafka, tallies_name(settings.streams.app_id), unpack, by_partition_and_key)
        self._open = AsyncExitStack()
        self._seen_version = -1
        self._fitted_at_s = 0.0
        self._posterior = Posterior(experiments.variants, {}, self._guard)

    async def start(self) -> None:
        """Create the tallies' topic if it is missing, read it to its current end, and follow it from there.

        Raises:
            TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.compacted_view.CompactedView`.
        """
        kafka = self._settings.kafka
        await create_changelog(kafka, tallies_name(self._settings.streams.app_id), like=kafka.topic_table().feedback)
        await self._open.enter_async_context(self._view)
        await self._view.caught_up()

    async def stop(self) -> None:
        """Stop following."""
        await self._open.aclose()

    def draw(self, product_id: str, cohort_id: str, key: bytes, epoch: int) -> str:
        """Return the variant of a decision: see `streams.affinity.decision.Draw`."""
        product = self._catalogue().products.get(product_id)
        brand = None if product is None else product.brand
        variant, why = self.posterior().draw_with_reason(cohort_id, brand, key, epoch)
        self._metrics.draws.labels(variant, why).inc()
        return variant

    def posterior(self) -> Posterior:
        """Return the posterior; fit it again at most every `experiments.refresh_s` seconds, if results changed.

        Raises:
            ServiceUnavailable, ConfigurationError: following failed, so the results may be outdated.
        """
        now_s = self._clock()
        if now_s - self._fitted_at_s >= self._settings.experiments.refresh_s:
            self._fitted_at_s = now_s
            found = self._view.current()
            if self._view.version != self._seen_version:
                self._seen_version = self._view.version
                self._posterior = fit(self._posterior.variants, _with_keys(found.items()), self._guard)
        return self._posterior


def choose_draw(
    settings: Settings, catalogue: Callable[[], Catalogue], registry: CollectorRegistry
) -> tuple[Draw, Results | None]:
    """Return the draw for these settings, and the `Results` to start for it, if any."""
    variants = settings.experiments.variants
    if len(variants) > 1:
        results = Results(settings, catalogue, DrawMetrics(registry))
        return results.draw, results
    if variants == (only_variant("", "", b"", 0),):
        return only_variant, None
    return (lambda *_: variants[0]), None


def _with_keys(tallies: Iterable[tuple[str, Tally]]) -> Iterator[tuple[TallyKey, Tally]]:
    for name, tally in tallies:
        yield TallyKey.of(name.partition("/")[2].encode()), tally
