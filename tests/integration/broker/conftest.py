"""Separate topics for each test, on every broker that tests run on."""

from collections.abc import AsyncIterator

import pytest

from bannerstream.broker.publisher import Publisher
from bannerstream.broker.topics import create_topics
from bannerstream.contracts.topics import Topics
from bannerstream.settings.kafka import KafkaSettings
from bannerstream.settings.model import Settings


@pytest.fixture
def kafka_settings(settings: Settings) -> KafkaSettings:
    """Return settings with topics for this test alone, which do not exist yet."""
    return settings.kafka.model_copy(update={"partitions": 3})


@pytest.fixture
async def topics(kafka_settings: KafkaSettings) -> Topics:
    """Create the topics and return them."""
    await create_topics(kafka_settings)
    return kafka_settings.topic_table()


@pytest.fixture
async def publisher(kafka_settings: KafkaSettings, topics: Topics) -> AsyncIterator[Publisher]:
    """Return a connected publisher; the topics exist."""
    async with Publisher(kafka_settings) as publisher:
        yield publisher
