"""Topics that `topics create` made use append times, and a publisher gets the append time of its records."""

import time

import pytest

from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.topics import create_topics
from bannerstream.settings.kafka import KafkaSettings

pytestmark = [pytest.mark.servers("kafka"), pytest.mark.pairs("apache")]


async def test_the_brokers_time_of_a_record_is_known_when_it_is_acknowledged(kafka_settings: KafkaSettings) -> None:
    await create_topics(kafka_settings)
    record = Outgoing(kafka_settings.topics["clicks"], b"ada", b"{}", [])
    async with Publisher(kafka_settings) as publisher:
        begun_ms = time.time_ns() // 1_000_000
        appended_ms = await publisher.publish_all([record])
    assert appended_ms is not None
    assert begun_ms <= appended_ms <= time.time_ns() // 1_000_000
