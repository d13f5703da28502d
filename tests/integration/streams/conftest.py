"""A real Kafka for `streams.batching` and its topics; without an S3 server and without the rest of the product."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.support.kafka_records import MakeTopic
from tests.support.servers import Servers


@pytest.fixture(scope="session")
def brokers(shared_servers: Servers) -> str:
    """Return the address of a broker that runs until the end of the session."""
    return shared_servers.kafka("apache").bootstrap_servers


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
    responses = await admin.alter_configs([broker])
    assert [resource[0] for response in responses for resource in response.resources] == [0], responses


@pytest.fixture
async def producer(brokers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Return a connected producer of single records."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
