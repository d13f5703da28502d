"""Records of the results of batches: assignments, banner requests and dead letters."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import structlog

from bannerstream.contracts.cloudevents import CloudEventHeaders
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.topics import Topics
from bannerstream.streams.batching import BulkProducer, OutgoingRecord, Write
from bannerstream.streams.metrics import OutboxMetrics
from bannerstream.streams.outcome import BatchOutcome, CausedRequest, EncodedAssignment
from bannerstream.streams.recent_keys import RecentKeys

_log = structlog.stdlib.get_logger(__name__)


class Outbox:
    """Turns outcomes into records of their topics; the checkpointer writes them."""

    def __init__(
        self,
        producer: BulkProducer,
        topics: Topics,
        *,
        source: str,
        recently_requested: RecentKeys,
        metrics: OutboxMetrics,
    ) -> None:
        # Here, and not where streams.app is imported: it takes numpy.
        from bannerstream.streams.partitioning import partitions_of  # noqa: PLC0415

        self._partitions_of = partitions_of
        self._producer = producer
        self._topics = topics
        self._requests = CloudEventHeaders("banner.request", source)
        self._assignments = CloudEventHeaders("banner.assignment", source)
        self._metrics = metrics
        self._recently_requested = recently_requested

    async def publish(self, outcomes: Sequence[BatchOutcome]) -> list[Write]:
        """Return the requests and assignments of these batches; skip banners that were requested recently.

        Only the latest assignment of each visitor is published.

        Raises:
            WriteAborted: an attempt failed while the worker was stopping.
        """
        whole = _merged(outcomes)
        requests = {
            banner_key: ask for banner_key, ask in whole.requests.items() if banner_key not in self._recently_requested
        }
        return [
            *await self._keyed(self._topics.requests.name, [self._request(ask) for ask in requests.values()]),
            *await self._keyed(self._topics.assignments.name, list(map(self._assignment, _assignments(whole).items()))),
        ]

    def published(self, outcomes: Sequence[BatchOutcome]) -> None:
        """Note that the records of these batches are written."""
        whole = _merged(outcomes)
        requested = [banner_key for banner_key in whole.requests if banner_key not in self._recently_requested]
        for banner_key in requested:
            self._recently_requested.add(banner_key)
        self._metrics.requests.inc(len(requested))
        self._metrics.assignments.inc(len(_assignments(whole)))
        for letter in whole.dead_letters:
            self._metrics.dead_letters.labels(letter.code).inc()

    async def publish_letters(self, outcomes: Sequence[BatchOutcome]) -> list[Write]:
        """Return the dead letters of these batches; without transactions they are written before the states.

        A replay treats every record at or below its visitor's applied offset as applied. So the dead letter of a
        rejected record must be published before the state moves past it.

        Raises:
            WriteAborted: an attempt failed while the worker was stopping.
        """
        return await self._letters([letter for outcome in outcomes for letter in outcome.dead_letters])

    async def _keyed(self, topic: str, records: list[OutgoingRecord]) -> list[Write]:
        """Return writes of records to the partitions of their keys, which must all have one length."""
        if not records:
            return []
        count = await self._producer.partitions_of(topic)
        partitions = self._partitions_of([key or b"" for key, *_ in records], count)
        by_partition: dict[int, list[OutgoingRecord]] = {}
        for record, partition in zip(records, partitions, strict=True):
            by_partition.setdefault(partition, []).append(record)
        return [Write(topic, partition, records) for partition, records in by_partition.items()]

    def _request(self, ask: CausedRequest) -> OutgoingRecord:
        request = ask.request
        key = request.banner_key.encode()
        event_id = f"{request.banner_key}:{ask.cause}".encode()
        return key, encode(request), self._requests.headers(event_id, request.requested_at, key)

    def _assignment(self, keyed: tuple[bytes, EncodedAssignment | None]) -> OutgoingRecord:
        key, assignment = keyed
        if assignment is None:
            return key, None, []
        value, epoch, decided_at = assignment
        return key, value, self._assignments.headers(b"%b:%d" % (key, epoch), decided_at, key)

    async def _letters(self, letters: Iterable[DeadLetter]) -> list[Write]:
        """Return writes of dead letters, each to the partition number of its source, modulo the partition count."""
        if not letters:
            return []
        topic = self._topics.dead_letters.name
        count = await self._producer.partitions_of(topic)
        by_partition = sorted(letters, key=lambda letter: letter.partition % count)
        return [
            Write(
                topic,
                partition,
                [(letter.key, letter.value, letter.headers()) for letter in group],
                on_too_large=_without_original,
            )
            for partition, group in groupby(by_partition, key=lambda letter: letter.partition % count)
        ]


def _merged(outcomes: Sequence[BatchOutcome]) -> BatchOutcome:
    whole = BatchOutcome()
    for outcome in outcomes:
        whole.add(outcome)
    return whole


def _assignments(whole: BatchOutcome) -> dict[bytes, EncodedAssignment | None]:
    """Return assignments by user key; None deletes one."""
    # A visitor who was erased and came back in the same checkpoint keeps the new decision.
    return dict[bytes, EncodedAssignment | None](dict.fromkeys(whole.forgotten)) | whole.assignments


def _without_original(record: OutgoingRecord) -> OutgoingRecord | None:
    """Return a rejected dead letter without its original, or None if that was rejected, too."""
    key, value, headers = record
    letter = DeadLetter.from_record(key, value, headers)
    if not letter.bare:
        bare = letter.without_original()
        return bare.key, bare.value, bare.headers()
    _log.error(
        "the dead-letter topic rejects a letter even without its original; its record is in the source topic",
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        code=letter.code,
    )
    return None
