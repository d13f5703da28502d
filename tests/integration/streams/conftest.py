"""A real Kafka for `streams.batching`, and its topics: no store, and nothing of the product."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bannerstream.devservers.kafka_apache import ApacheKafka

MakeTopic = Callable[..., Awaitable[str]]

PATIENCE_S = 60.0
"""Deadline of every wait: long, because a machine that runs other tests is slow."""


async def until(true: Callable[[], Any], what: str) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s until {what}"
        await asyncio.sleep(0.02)


async def records_in(brokers: str, topic: str) -> list[ConsumerRecord]:
    """Return every record of a topic, each partition's in order."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        tps = consumer.assignment()
        ends = await consumer.end_offsets(tps)
        records: list[ConsumerRecord] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records += found
        return records
    finally:
        await consumer.stop()


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a broker that runs until the end of the session."""
    if (reason := ApacheKafka.why_unavailable()) is not None:
        pytest.skip(reason)
    kafka = ApacheKafka(tmp_path_factory.mktemp("kafka"))
    kafka.start()
    try:
        yield kafka.bootstrap_servers
    finally:
        kafka.stop()


@pytest.fixture
async def admin(brokers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Return a connected admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@pytest.fixture
def make_topic(admin: AIOKafkaAdminClient, fresh_name: str) -> MakeTopic:
    """Return a function that creates a topic for this test, with these partitions and this configuration."""

    async def make(name: str, partitions: int = 1, **config: Any) -> str:
        configs = {key.replace("_", "."): str(value) for key, value in config.items()}
        made = await admin.create_topics([NewTopic(f"{fresh_name}-{name}", partitions, 1, topic_configs=configs)])
        assert [error[1] for error in made.topic_errors] == [0], made
        return f"{fresh_name}-{name}"

    return make


@pytest.fixture
async def quick_cleaner(admin: AIOKafkaAdminClient) -> None:
    """Let the broker check for compaction every 100 ms, not every 15 s."""
    broker = ConfigResource(ConfigResourceType.BROKER, "1", {"log.cleaner.backoff.ms": "100"})
    answers = await admin.alter_configs([broker])
    assert [resource[0] for each in answers for resource in each.resources] == [0], answers


@pytest.fixture
async def producer(brokers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Return a connected producer of single records."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
