import asyncio

import msgspec
import pytest

from bannerstream.broker.compacted_view import CompactedView, read_compacted
from bannerstream.broker.errors import MessageTooLarge, TopicMissing
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import Assignment
from bannerstream.contracts.topics import Topics
from bannerstream.settings.kafka import KafkaSettings
from tests.support.waiting import until

pytestmark = pytest.mark.servers("kafka")


def assignment(epoch: int, user: str = "ab" * 16) -> Assignment:
    return Assignment(
        user_key=user,
        epoch=epoch,
        banner_key="0" * 64,
        product_id="mug",
        cohort_id="calm",
        decided_at=1_700_000_000_000,
    )


def read(value: bytes) -> Assignment:
    return decode(value, Assignment)


EVENT = CloudEvent(id="1", type="assignment", source="/streams", time=1_700_000_000_000)


async def test_an_empty_topic_is_an_empty_table(kafka_settings: KafkaSettings, topics: Topics) -> None:
    assert await read_compacted(kafka_settings, topics.assignments.name, read) == {}


async def test_the_latest_value_of_each_key_and_no_deleted_one(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    topic = topics.assignments.name
    users = [f"{number:032x}" for number in range(20)]
    for epoch in (1, 2):
        await publisher.publish_all(
            Outgoing(topic, user.encode(), msgspec.json.encode(assignment(epoch, user)), []) for user in users
        )
    await publisher.publish_raw(topic, users[0].encode(), None)
    table = await read_compacted(kafka_settings, topic, read)
    assert table == {user: assignment(2, user) for user in users[1:]}


async def test_a_bad_record_is_skipped_and_the_key_keeps_its_value(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    topic = topics.assignments.name
    await publisher.publish(topic, "u", assignment(1), EVENT)
    for key, value in [(b"u", b"{}"), (b"u", b"\xff"), (b"\xff", b"{}")]:
        await publisher.publish_raw(topic, key, value)
    async with CompactedView(kafka_settings, topic, read) as view:
        await view.caught_up()
        assert view.current() == {"u": assignment(1)}
        assert view.skipped == 3


async def test_a_view_is_complete_first_and_then_follows(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    topic = topics.assignments.name
    await publisher.publish(topic, "u", assignment(1), EVENT)
    async with CompactedView(kafka_settings, topic, read) as view:
        await view.caught_up()
        seen = view.current()
        before = view.version
        assert seen["u"].epoch == 1
        await publisher.publish(topic, "u", assignment(2), EVENT)
        await until(lambda: seen["u"].epoch == 2)
        assert view.version == before + 1
        await publisher.publish_raw(topic, b"u", None)
        await until(lambda: "u" not in seen)


async def test_a_topic_that_is_not_there_is_said_and_not_made(kafka_settings: KafkaSettings) -> None:
    for _ in range(2):
        with pytest.raises(TopicMissing, match="topics create"):
            await read_compacted(kafka_settings, kafka_settings.topics["products"], read)


async def test_messages_travel_with_their_cloudevents_headers(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    from aiokafka import AIOKafkaConsumer

    await publisher.publish(topics.assignments.name, "u", assignment(1), EVENT)
    consumer = AIOKafkaConsumer(
        topics.assignments.name, bootstrap_servers=kafka_settings.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 15)
    await consumer.stop()
    assert (record.key, record.value) == (b"u", msgspec.json.encode(assignment(1)))
    assert dict(record.headers)["ce_type"] == b"io.bannerstream.assignment"


async def test_a_message_too_large_names_its_topic(publisher: Publisher, topics: Topics) -> None:
    with pytest.raises(MessageTooLarge, match=f"1400000 bytes is too large for {topics.requests.name}"):
        await publisher.publish_raw(topics.requests.name, b"k", b"x" * 1_400_000)
