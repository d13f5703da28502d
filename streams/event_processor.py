"""What happens to a batch of events: folded by the core; the checkpointer writes what follows from it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from msgspec.structs import replace

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import Source
from bannerstream.streams.affinity import Catalogue, UserState
from bannerstream.streams.batch import BatchOutcome, InputRecord, Rules, fold_batch, letter_of
from bannerstream.streams.batching import Batch, Partition
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.repartition import Origin, parse_origin


class EventProcessor:
    """Folds batches, one at a time. Holds nothing that would outlive a batch.

    `sources` says what a topic carries; a topic that is not in it is the repartitioned one, whose records say it.
    """

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

    def fold(self, batch: Batch, states: Partition[UserState]) -> BatchOutcome:
        """Fold a batch into the states of its partition, and return what is to be written besides them."""
        source = self._sources.get(batch.tp.topic)
        with self._metrics.fold.time():
            if source is not None:
                outcome = self._fold(source, batch, batch.records, states)
            else:
                copies, foreign = _told_apart(batch)
                outcome = BatchOutcome(dead_letters=foreign)
                for role, stretch in groupby(copies, key=lambda each: each.origin.source):
                    records = list(stretch)
                    outcome.add(_as_the_shop_knows_them(self._fold(role, batch, records, states), records))
        if batch.records:
            self._metrics.event_lag.observe(max(0.0, time.time() - batch.records[0].timestamp / 1000))
        return outcome

    def _fold(
        self, source: Source, batch: Batch, records: Sequence[InputRecord], states: Partition[UserState]
    ) -> BatchOutcome:
        catalogue = self._catalogue()
        now = time.time_ns() // 1_000_000
        topic, partition = batch.tp
        outcome = fold_batch(source, topic, partition, records, states, catalogue, self._rules, now)
        for fate, count in outcome.counts.items():
            self._metrics.events.labels(source, fate).inc(count)
        self._metrics.catalog_products.set(len(catalogue.products))
        return outcome


@dataclass(frozen=True, slots=True)
class _Copy:
    """A record of the repartitioned topic: at its own offset, with the time at which the shop's record arrived."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    origin: Origin


def _told_apart(batch: Batch) -> tuple[list[_Copy], list[DeadLetter]]:
    """Return the copies in the repartitioned topic, in order, and dead letters of what others wrote there."""
    copies: list[_Copy] = []
    foreign: list[DeadLetter] = []
    for each in batch.records:
        try:
            origin = parse_origin(each.headers)
        except InvalidRecord as error:
            foreign.append(letter_of(each, *batch.tp, error, time.time_ns() // 1_000_000))
        else:
            copies.append(_Copy(each.offset, origin.timestamp, each.key, each.value, origin))
    return copies, foreign


def _as_the_shop_knows_them(outcome: BatchOutcome, records: Sequence[_Copy]) -> BatchOutcome:
    """Let dead letters name the shop's records instead of their copies."""
    if outcome.dead_letters:
        origins = {each.offset: each.origin for each in records}
        outcome.dead_letters = [
            replace(letter, topic=origin.topic, partition=origin.partition, offset=origin.offset)
            for letter in outcome.dead_letters
            for origin in (origins[letter.offset],)
        ]
    return outcome
