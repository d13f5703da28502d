"""Copies while the process runs: a consumer group over the shop's topics, and a copier for each assigned partition.

Exactly once, through crashes and pauses at any time: a copier's transaction holds the copies, the dead letters and the
next offset, and each source partition has its own transactional.id. aiokafka 0.14 commits offsets into a transaction
without the group's generation (KIP-447): with one id per process, a paused process that the group evicted could still
commit its transaction. With one id per partition, the new owner's producer fences the old one and aborts its
transaction before it reads the committed offset; Kafka Streams did the same before KIP-447 (KIP-129).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.errors import MessageTooLarge
from bannerstream.broker.publisher import MAX_REQUEST_BYTES
from bannerstream.broker.topics import describe_topics, repartitioned_name
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.settings import Settings, input_forms
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.repartition.partition_copier import PartitionCopier, RepartitionConfig
from bannerstream.streams.repartition.routing import InputRules, Routed

_log = structlog.get_logger(__name__)

BATCH_RECORDS = 5_000
"""Most records per transaction: its five round trips then cost less than the decoding."""

BATCH_BYTES = 900_000
"""Size of the batches; brokers accept 1 MiB."""

POLL_MS = 100
"""How long a fetch waits for records; it bounds how long a stop or a rebalance waits."""

TRANSACTION_TIMEOUT_MS = 30_000
"""When the broker aborts the transaction of a crashed process without a successor (which would abort it at once)."""

RETRY_S = 1.0
"""Pause after a broker failure before the same records are copied again."""

_DAY_MS = 86_400_000


class Repartitioner:
    """Copies from `start` until `stop`.

    An error that ends it earlier is passed to `on_failure` once. `on_failure` must not wait for `stop`, which waits for
    it; `faust.App.crash` does not.
    """

    def __init__(
        self, settings: Settings, metrics: StreamsMetrics, on_failure: Callable[[BaseException], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._kafka = settings.kafka
        self._group = f"{settings.streams.app_id}-repartition"
        self._reading = InputRules(
            forms=input_forms(settings.input),
            max_future_ms=round(settings.input.max_future_s * 1000),
            max_age_ms=round(settings.input.max_age_days * _DAY_MS),
            max_record_bytes=settings.input.max_record_bytes,
            max_products=settings.input.max_products,
        )
        self._metrics = metrics
        self._on_failure = on_failure
        self._copiers: dict[TopicPartition, PartitionCopier] = {}
        self._dead_letter_too_large: set[TopicPartition] = set()
        """Partitions with a dead letter that was too large for its topic; the retry leaves the original out."""
        self._round = asyncio.Lock()
        """Held while copiers are in use: partitions are released only between rounds of copying."""
        self._stopping = asyncio.Event()
        self._config: RepartitionConfig
        self._consumer: Any = None
        self._copying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join the group and start copying. The topics must exist: see `streams.topics.prepare_topics`.

        Raises:
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
        """
        topics = self._kafka.topic_table()
        target = repartitioned_name(self._settings.streams.app_id)
        there = await describe_topics(self._kafka)
        self._config = RepartitionConfig(
            kafka=self._kafka,
            sources={topics.clicks.name: "clicks", topics.purchases.name: "purchases"},
            group=self._group,
            target=target,
            dead_letters=topics.dead_letters.name,
            partitions={name: there[name].partitions for name in (target, topics.dead_letters.name)},
            reading=self._reading,
        )
        self._consumer = AIOKafkaConsumer(
            **client_options(self._kafka, client_id=self._group),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",  # the shop's producers may use transactions
            session_timeout_ms=round(self._kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=round(min(3.0, self._kafka.session_timeout_s / 3) * 1000),
        )
        try:
            with broker_errors(self._kafka):
                await self._consumer.start()
            throttle_empty_fetches(self._consumer)
            self._consumer.subscribe(list(self._config.sources), listener=_BeforeRebalance(self._close_copiers))
        except BaseException:
            await self._consumer.stop()
            raise
        self._copying = asyncio.create_task(self._run(), name="repartition")

    async def stop(self) -> None:
        """Finish the current round of copying, leave the group and disconnect."""
        self._stopping.set()
        if self._copying is not None:
            await asyncio.wait({self._copying})
        if self._consumer is not None:
            await self._consumer.stop()
        await self._close_copiers()

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    await self._copy_once()
                except ServiceUnavailable as error:
                    _log.warning("copying failed; retrying", reason=str(error))
                    await self._pause()
        except Exception as error:
            await self._on_failure(error)

    async def _copy_once(self) -> None:
        with broker_errors(self._kafka):
            async with self._round:
                await self._open_copiers()
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
        async with self._round:
            # Records without a copier were fetched before the seek, or their partition is no longer ours.
            ours = {tp: records for tp, records in fetched.items() if tp in self._copiers}
            outcomes = await asyncio.gather(
                *(self._copy(tp, records) for tp, records in ours.items()), return_exceptions=True
            )
        _raise_worst(outcomes)

    async def _copy(self, tp: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        copier = self._copiers[tp]
        try:
            copied = await copier.copy(records, whole_letters=tp not in self._dead_letter_too_large)
        except MessageTooLarge:
            await self._close_copier(tp)
            if tp in self._dead_letter_too_large:
                raise
            self._dead_letter_too_large.add(tp)
        except BaseException:
            await self._close_copier(tp)
            raise
        else:
            self._dead_letter_too_large.discard(tp)
            self._count(tp, copied)

    async def _open_copiers(self) -> None:
        fresh = self._consumer.assignment() - self._copiers.keys()
        _raise_worst(await asyncio.gather(*(self._open(tp) for tp in fresh), return_exceptions=True))

    async def _open(self, tp: TopicPartition) -> None:
        """Fence other producers of this partition, then start at the committed offset."""
        producer = await self._fencing_producer(tp)
        try:
            committed = await self._consumer.committed(tp)
            if committed is None:
                await self._consumer.seek_to_beginning(tp)
            else:
                self._consumer.seek(tp, committed)
        except BaseException:
            await producer.stop()
            raise
        self._copiers[tp] = PartitionCopier(tp, producer, self._config)

    async def _fencing_producer(self, tp: TopicPartition) -> AIOKafkaProducer:
        """Return a connected producer; connecting aborts the open transaction of any other one of this partition."""
        producer = AIOKafkaProducer(
            **client_options(self._kafka, client_id=self._group),
            transactional_id=f"{self._group}-{tp.topic}-{tp.partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            compression_type="snappy",
        )
        try:
            await producer.start()  # returns only with the producer's epoch (InitProducerId)
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _close_copiers(self) -> None:
        """Close every copier: a rebalance of this group revokes all partitions."""
        async with self._round:
            for tp in list(self._copiers):
                await self._close_copier(tp)

    async def _close_copier(self, tp: TopicPartition) -> None:
        await self._copiers.pop(tp).close()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(RETRY_S):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _count(self, tp: TopicPartition, copied: Routed) -> None:
        source = self._config.sources[tp.topic]
        letters = [letter for of_partition in copied.letters.values() for letter in of_partition]
        counts = {
            "copied": sum(map(len, copied.copies.values())),
            "dead_letter": len(letters),
            "ignored": copied.ignored,
        }
        for outcome, count in counts.items():
            self._metrics.repartitioned.labels(source, outcome).inc(count)
        for letter in letters:
            self._metrics.outbox.dead_letters.labels(letter.code).inc()


def _raise_worst(outcomes: Sequence[BaseException | None]) -> None:
    """Raise one of the failures, if there are any; preferably one that a retry does not fix."""
    failures = [failure for failure in outcomes if failure is not None]
    for failure in sorted(failures, key=lambda failure: isinstance(failure, ServiceUnavailable)):
        raise failure


class _BeforeRebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, close_copiers: Callable[[], Awaitable[None]]) -> None:
        self._close_copiers = close_copiers

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002  (always all of them)
        await self._close_copiers()

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Do nothing: copiers are opened before the next fetch."""
