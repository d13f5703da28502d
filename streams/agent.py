"""What happens to a batch of events: folded by the core; the ledger writes what follows from it."""

import time
from collections.abc import Callable, Mapping

from contracts.inputs import Source
from streams.affinity import Catalogue, UserState
from streams.batch import Outcome, Rules, fold_batch
from streams.batching import Batch, Partition
from streams.metrics import StreamsMetrics


class Folder:
    """Folds batches, one at a time. Holds nothing that would outlive a batch."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        rules: Rules,
        catalogue: Callable[[], Catalogue],
        metrics: StreamsMetrics,
    ) -> None:
        self._sources = sources
        self._rules = rules
        self._catalogue = catalogue
        self._metrics = metrics

    def fold(self, batch: Batch, states: Partition[UserState]) -> Outcome:
        """Fold a batch into the states of its partition, and return what is to be written besides them."""
        catalogue = self._catalogue()
        source = self._sources[batch.tp.topic]
        now = time.time()
        with self._metrics.fold.time():
            outcome = fold_batch(
                source, batch.tp.topic, batch.tp.partition, batch.records, states, catalogue, self._rules, int(now * 1000)
            )
        for fate, count in outcome.fates.items():
            self._metrics.events.labels(source, fate).inc(count)
        self._metrics.catalog_products.set(len(catalogue.products))
        if batch.records:
            self._metrics.event_lag.observe(max(0.0, time.time() - batch.records[0].timestamp / 1000))
        return outcome
