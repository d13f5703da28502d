"""A publisher continues after a broker has rejected a message for its size."""

import os

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bannerstream.broker.connection import client_options
from bannerstream.broker.errors import MessageTooLarge
from bannerstream.broker.publisher import Publisher
from bannerstream.settings import Settings

pytestmark = pytest.mark.servers("kafka")


async def test_after_a_message_that_is_too_large_the_next_is_taken(settings: Settings, fresh_name: str) -> None:
    """The rejected message has used sequence numbers of the idempotent producer, and Kafka accepts no gap."""
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        topic = NewTopic(fresh_name, 1, 1, topic_configs={"max.message.bytes": "2000"})
        await admin.create_topics([topic])
    finally:
        await admin.close()
    async with Publisher(settings.kafka) as publisher:
        await publisher.publish_raw(fresh_name, b"k", b"first")
        for _ in range(2):
            with pytest.raises(MessageTooLarge):
                await publisher.publish_raw(fresh_name, b"k", os.urandom(5000))
            await publisher.publish_raw(fresh_name, b"k", b"next")
