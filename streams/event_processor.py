"""Folds batches of events with the pure core, and records metrics."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from msgspec.structs import replace

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import Source
from bannerstream.streams.affinity import Catalogue
from bannerstream.streams.batch import Rules, fold_batch
from bannerstream.streams.batching import Batch
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.input_records import InputRecord, letter_of
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.outcome import BatchOutcome
from bannerstream.streams.repartition import Origin, parse_origin


class EventProcessor:
    """Folds batches, one at a time. Keeps no state between batches.

    `sources` maps topics to sources; any other topic is the repartitioned one, whose records name their source.
    `kept_letters` returns which dead letters of a batch are published (`streams.letter_cap`).
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        rules: Rules,
        catalogue: Callable[[], Catalogue],
        metrics: StreamsMetrics,
        kept_letters: Callable[[Sequence[DeadLetter]], list[DeadLetter]] = list,
    ) -> None:
        self._sources = sources
        self._rules = rules
        self._catalogue = catalogue
        self._metrics = metrics
        self._kept_letters = kept_letters

    def fold(self, batch: Batch, states: ColumnarStates) -> BatchOutcome:
        """Fold a batch into the states of its partition, and return what to publish."""
        source = self._sources.get(batch.tp.topic)
        with self._metrics.fold.time():
            if source is not None:
                outcome = self._fold(source, batch, batch.records, states)
            else:
                copies, foreign = _parse_copies(batch)
                outcome = BatchOutcome(dead_letters=foreign)
                for role, run in groupby(copies, key=lambda copy: copy.origin.source):
                    records = list(run)
                    outcome.add(_with_origins(self._fold(role, batch, records, states), records))
        if outcome.dead_letters:
            outcome.dead_letters = self._kept_letters(outcome.dead_letters)
        if batch.records:
            self._metrics.event_lag.observe(max(0.0, time.time() - batch.records[0].timestamp / 1000))
        return outcome

    def _fold(
        self, source: Source, batch: Batch, records: Sequence[InputRecord], states: ColumnarStates
    ) -> BatchOutcome:
        catalogue = self._catalogue()
        now_ms = time.time_ns() // 1_000_000
        topic, partition = batch.tp
        outcome = fold_batch(source, topic, partition, records, states, catalogue, self._rules, now_ms)
        for disposition, count in outcome.counts.items():
            self._metrics.events.labels(source, disposition).inc(count)
        if outcome.ahead_ms:
            self._metrics.ahead.labels(source).observe(outcome.ahead_ms / 1000)
        self._metrics.catalog_products.set(len(catalogue.products))
        self._metrics.refused_products.set(len(catalogue.refused))
        return outcome


@dataclass(frozen=True, slots=True)
class _Copy:
    """A record of the repartitioned topic: its own offset, and the timestamp of the shop's record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    origin: Origin


def _parse_copies(batch: Batch) -> tuple[list[_Copy], list[DeadLetter]]:
    """Return the copies in a batch of the repartitioned topic, in order, and dead letters of foreign records."""
    copies: list[_Copy] = []
    foreign: list[DeadLetter] = []
    for record in batch.records:
        try:
            origin = parse_origin(record.headers)
        except InvalidRecord as error:
            foreign.append(letter_of(record, *batch.tp, error, time.time_ns() // 1_000_000))
        else:
            copies.append(_Copy(record.offset, origin.timestamp, record.key, record.value, origin))
    return copies, foreign


def _with_origins(outcome: BatchOutcome, records: Sequence[_Copy]) -> BatchOutcome:
    """Point dead letters at the shop's records instead of their copies."""
    if outcome.dead_letters:
        origins = {record.offset: record.origin for record in records}
        outcome.dead_letters = [
            replace(letter, topic=origin.topic, partition=origin.partition, offset=origin.offset, part=origin.part)
            for letter in outcome.dead_letters
            for origin in (origins[letter.offset],)
        ]
    return outcome
