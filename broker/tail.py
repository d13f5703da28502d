"""Reads topics from their beginning to their end, then follows them. Joins no consumer group unless one is given."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.topics import describe_topics
from bannerstream.settings.kafka import KafkaSettings


async def partitions_of(settings: KafkaSettings, *topics: str) -> list[TopicPartition]:
    """Return every partition of these topics, in their order.

    Raises:
        TopicMissing: one of them does not exist.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    states = await describe_topics(settings, *topics)
    for topic in topics:
        if topic not in states:
            raise TopicMissing(f"there is no topic {topic}: run `bannerstream topics create`")
    return [TopicPartition(topic, partition) for topic in topics for partition in range(states[topic].partitions)]


@asynccontextmanager
async def reading(
    settings: KafkaSettings,
    partitions: Sequence[TopicPartition],
    resume_at: Mapping[TopicPartition, int] | None = None,
    *,
    client_id: str = "bannerstream",
    **options: Any,
) -> AsyncIterator[Any]:
    """Connect a consumer to these partitions at their beginning, or at their offset in `resume_at`; commit nothing.

    `options` go to `AIOKafkaConsumer`.

    Raises:
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings, client_id=client_id),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # where a position has expired: by default all the other records are skipped
        isolation_level="read_committed",  # streams writes in transactions
        **options,
    )
    try:
        with broker_errors(settings):
            await consumer.start()
            throttle_empty_fetches(consumer)
            consumer.assign(list(partitions))
            offsets = resume_at or {}
            for partition in partitions:
                if partition in offsets:
                    consumer.seek(partition, offsets[partition])
                else:
                    await consumer.seek_to_beginning(partition)
        yield consumer
    finally:
        await consumer.stop()


class Backlog:
    """The partitions in which a consumer has not reached given offsets.

    Compares positions, not records: compaction and transactions leave gaps before an end that no record fills.
    """

    def __init__(self, consumer: Any, ends: Mapping[TopicPartition, int]) -> None:
        self._consumer = consumer
        self._ends = dict(ends)

    @property
    def partitions(self) -> Iterable[TopicPartition]:
        """Return those that were behind at the last `is_read`."""
        return self._ends.keys()

    async def is_read(self) -> bool:
        """Return whether every partition has reached its end; one that has stays so.

        Raises:
            aiokafka.errors.KafkaError: see `broker.connection.broker_errors`.
        """
        for partition in list(self._ends):
            if await self._consumer.position(partition) >= self._ends[partition]:
                del self._ends[partition]
        return not self._ends


async def read_to(
    consumer: Any, ends: Mapping[TopicPartition, int], poll_ms: int
) -> AsyncIterator[dict[TopicPartition, list[ConsumerRecord]]]:
    """Yield the records before `ends`, fetch by fetch, empty ones included, until every partition has reached its end.

    Raises:
        aiokafka.errors.KafkaError: see `broker.connection.broker_errors`.
    """
    backlog = Backlog(consumer, ends)
    while not await backlog.is_read():
        fetched = await consumer.getmany(*backlog.partitions, timeout_ms=poll_ms)
        yield {
            partition: [record for record in records if record.offset < ends[partition]]
            for partition, records in fetched.items()
        }
