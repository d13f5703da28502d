"""What happens to a batch of events: folded by the core, written by the outbox, and only then counted as applied."""

import time
from collections.abc import Callable, Iterable, Sequence

from faust.types import TP, EventT

from contracts.inputs import Source
from streams.affinity import Catalogue
from streams.batch import Outcome, Rules, SourceRecord, fold_batch
from streams.metrics import StreamsMetrics
from streams.outbox import Abandoned, Outbox
from streams.table import AffinityStore
from streams.transport import AppliedConsumer


class Folder:
    """Folds batches, one at a time. Holds nothing that would outlive a batch."""

    def __init__(
        self,
        sources: dict[str, Source],
        rules: Rules,
        catalogue: Callable[[], Catalogue],
        outbox: Outbox,
        metrics: StreamsMetrics,
    ) -> None:
        self._sources = sources
        self._rules = rules
        self._catalogue = catalogue
        self._outbox = outbox
        self._metrics = metrics

    async def fold(self, events: Sequence[EventT[bytes]], consumer: AppliedConsumer, store: AffinityStore) -> None:
        """Fold events: state acknowledged in the changelog, then decisions acknowledged, then offsets free to commit.

        Whatever interrupts this leaves the offsets where they were: the same events come again and are replays.
        """
        messages = [each.message for each in events if consumer.accept(each.message.tp, each.message.offset)]
        records = [
            SourceRecord(
                source=self._sources[each.topic],
                topic=each.topic,
                partition=each.partition,
                offset=each.offset,
                key=each.key,
                value=each.value,
                timestamp=round(each.timestamp * 1000),
            )
            for each in messages
        ]
        if not records:
            return
        ends = {TP(each.topic, each.partition): each.offset + 1 for each in records}
        try:
            outcome = self._fold(records, store)
            await self._write(outcome, store, consumer.is_member)
        except Abandoned:
            consumer.give_back(ends)
            return
        except BaseException:
            consumer.give_back(ends)
            raise
        for tp, end in ends.items():
            consumer.applied(tp, end)
        self._count(records, outcome)

    def _fold(self, records: Sequence[SourceRecord], store: AffinityStore) -> Outcome:
        catalogue = self._catalogue()
        now = time.time()
        with self._metrics.fold.time():
            outcome = fold_batch(records, store.packed, catalogue, self._rules, int(now * 1000))
        self._metrics.catalog_products.set(len(catalogue.products))
        return outcome

    async def _write(self, outcome: Outcome, store: AffinityStore, is_member: Callable[[], bool]) -> None:
        with self._metrics.flush.time():
            offsets = await self._outbox.write_states(outcome.states, is_member)
            for key, offset in offsets.items():
                store.put(key, outcome.states[key], offset)
            await self._outbox.publish(outcome.assignments, outcome.asks, outcome.dead_letters)
        self._metrics.users.set(len(store))

    def _count(self, records: Iterable[SourceRecord], outcome: Outcome) -> None:
        for (source, fate), count in outcome.fates.items():
            self._metrics.events.labels(source, fate).inc(count)
        folded_at = time.time()
        for record in records:
            self._metrics.event_lag.observe(max(0.0, folded_at - record.timestamp / 1000))
