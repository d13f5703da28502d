"""Takes requests from Kafka as fast as the queue has room for them, and commits finished offsets.

Backpressure: a full queue pauses the partitions. A paused consumer still polls; the group would consider it dead
otherwise and take its partitions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.contracts.errors import ConfigurationError, InvalidRecord, ServiceUnavailable
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.worker.records import RequestRecord, read_request
from bannerstream.generator.worker.request_queue import RequestQueue
from bannerstream.settings import KafkaSettings

log = structlog.get_logger(__name__)

_POLL_MS = 500
"""Duration of one poll, and so the longest delay of a stop when no records arrive."""
_PAUSED_POLL_MS = 50
"""The same while partitions are paused, and so the longest delay before freed capacity is used."""
_PROVEN_POLLS = 3
_RESUME_AT_FREE = 4
"""Partitions resume when a quarter of the queue is free: resuming for every few records would take many fetches."""

RejectedRecord = tuple[RequestRecord, InvalidRecord]


class RequestSource:
    """The consumer of the requests topic, between `start` and `stop`.

    `before_revoke` is awaited before partitions are revoked, so that batches in flight can finish and commit.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group_id: str,
        queue: RequestQueue,
        metrics: GeneratorMetrics,
        before_revoke: Callable[[], Awaitable[None]],
    ) -> None:
        self._kafka = kafka
        self._group_id = group_id
        self._queue = queue
        self._metrics = metrics
        self._before_revoke = before_revoke
        self._paused = False
        self._polls = 0
        self._committing = asyncio.Lock()
        self._consumer = AIOKafkaConsumer(
            **client_options(kafka, client_id="bannerstream-generator"),
            group_id=group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",  # streams writes requests in transactions
            session_timeout_ms=round(kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=round(kafka.session_timeout_s * 1000 / 3),
        )

    async def start(self) -> None:
        """Join the group.

        Raises:
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
        """
        with broker_errors(self._kafka):
            await self._consumer.start()
        throttle_empty_fetches(self._consumer)
        topic = self._kafka.topic_table().requests.name
        self._consumer.subscribe([topic], listener=_RebalanceListener(self))
        log.info("waiting_for_requests", topic=topic, group=self._group_id)

    async def stop(self) -> None:
        """Leave the group."""
        await self._consumer.stop()

    @property
    def established(self) -> bool:
        """Return whether the brokers let us join and fetch: a refused fetch shows within the polls after it."""
        return self._polls > _PROVEN_POLLS

    async def poll(self) -> list[RejectedRecord]:
        """Put fetched requests into the queue, as far as it has room; return the invalid records.

        Raises:
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`; no record was taken.
        """
        self._pause_or_resume()
        free = 0 if self._paused else self._queue.free
        with broker_errors(self._kafka):
            fetched = await self._consumer.getmany(
                timeout_ms=_PAUSED_POLL_MS if self._paused else _POLL_MS, max_records=max(1, free)
            )
        self._polls += bool(self._consumer.assignment())
        rejected: list[RejectedRecord] = []
        for partition, records in fetched.items():
            if not free:  # assigned a moment ago, before the pause
                self._consumer.seek(partition, records[0].offset)
                continue
            for record in records:
                self._take(record, rejected)
        self._metrics.requests_held.set(self._queue.held)
        return rejected

    def _take(self, record: RequestRecord, rejected: list[RejectedRecord]) -> None:
        try:
            request = read_request(record.value)
        except InvalidRecord as error:
            self._queue.hold_rejected(record)
            rejected.append((record, error))
        else:
            self._queue.put(record, request)

    def _pause_or_resume(self) -> None:
        free = self._queue.free
        if not free:
            self._consumer.pause(*self._consumer.assignment())
            if not self._paused:
                log.info("queue_full", held=self._queue.held)
            self._paused = True
        elif self._paused and free * _RESUME_AT_FREE >= free + self._queue.held:
            self._consumer.resume(*self._consumer.paused())
            self._paused = False
        self._metrics.paused.set(self._paused)

    async def commit(self) -> None:
        """Commit the finished offsets of assigned partitions.

        A failed commit loses nothing: the next one covers it, and after a crash the records find their banners made.
        """
        async with self._committing:  # one at a time: an earlier position must not overtake a later one
            positions = self._queue.positions()
            try:
                with broker_errors(self._kafka):
                    if positions:
                        await self._consumer.commit(positions)
            except (ServiceUnavailable, ConfigurationError) as error:
                log.warning("commit_failed", error=str(error))

    async def partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait briefly for batches in flight, then drop the partitions."""
        revoked = list(revoked)
        if revoked:
            await self._before_revoke()
            self._queue.drop_partitions(revoked)
            self._metrics.requests_held.set(self._queue.held)

    def partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause new partitions while the queue is full."""
        if self._paused:
            self._consumer.pause(*assigned)


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes a rebalance on to the source."""

    def __init__(self, source: RequestSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._source.partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._source.partitions_assigned(assigned)
