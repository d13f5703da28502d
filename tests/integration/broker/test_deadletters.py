import asyncio

import pytest

from bannerstream.broker.dead_letters import REPLAY_BATCH, Replayed, publish, read, replay
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.topics import Topics
from bannerstream.settings.kafka import KafkaSettings

pytestmark = pytest.mark.servers("kafka")


def letter(number: int, topic: str, code: str = "malformed", value: bytes | None = None) -> DeadLetter:
    return DeadLetter.of(
        key=f"u-{number}".encode(),
        value=f"event {number}".encode() if value is None else value,
        topic=topic,
        partition=0,
        offset=number,
        code=code,
        reason="why",
        now=1_700_000_000_000,
    )


async def records(kafka_settings: KafkaSettings, topic: str, count: int) -> set[bytes]:
    """Check that the topic holds exactly `count` records, and return their values."""
    from aiokafka import AIOKafkaConsumer

    values: list[bytes] = []
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_settings.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        assert sum(ends.values()) == count
        async with asyncio.timeout(15):
            while len(values) < count:
                values.append((await consumer.getone()).value)
    finally:
        await consumer.stop()
    return set(values)


async def test_letters_come_back_as_they_were_sent(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    sent = [letter(number, topics.clicks.name) for number in range(10)]
    for dead_letter in sent:
        await publish(publisher, kafka_settings, dead_letter)
    await publisher.publish_raw(topics.dead_letters.name, b"k", b"no letter")
    found = [stored.letter async for stored in read(kafka_settings)]
    assert sorted(found, key=lambda dead_letter: dead_letter.offset) == sent


async def test_letters_are_chosen_by_code_topic_and_limit(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    for number in range(4):
        await publish(publisher, kafka_settings, letter(number, topics.clicks.name, "unknown_product"))
        await publish(publisher, kafka_settings, letter(10 + number, topics.purchases.name, "malformed"))
    assert {stored.letter.offset async for stored in read(kafka_settings, code="unknown_product")} == {0, 1, 2, 3}
    assert {stored.letter.offset async for stored in read(kafka_settings, topic=topics.purchases.name)} == {
        10,
        11,
        12,
        13,
    }
    assert len([stored async for stored in read(kafka_settings, limit=3)]) == 3
    assert [stored async for stored in read(kafka_settings, limit=0)] == []
    assert [stored async for stored in read(kafka_settings, code="malformed", topic=topics.clicks.name)] == []


async def test_a_letter_of_the_largest_size_can_be_sent(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    huge = DeadLetter.of(
        key=b"k" * 2_000_000, value=b"v" * 2_000_000, topic=topics.clicks.name, partition=0, offset=1, code="oversized",
        reason="r" * 5000, now=0,
    )  # fmt: skip
    await publish(publisher, kafka_settings, huge)
    assert [stored.letter.truncated_from async for stored in read(kafka_settings)] == [4_000_000]


async def test_a_replay_sends_each_letter_back_once(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    count = REPLAY_BATCH + 20
    for number in range(count):
        await publish(publisher, kafka_settings, letter(number, topics.clicks.name))
    progress: list[int] = []
    done = await replay(kafka_settings, publisher, on_progress=lambda so_far: progress.append(so_far.replayed))
    assert done == Replayed(replayed=count)
    assert progress == [REPLAY_BATCH, count]
    assert await records(kafka_settings, topics.clicks.name, count) == {f"event {n}".encode() for n in range(count)}

    assert await replay(kafka_settings, publisher) == Replayed()
    await publish(publisher, kafka_settings, letter(count, topics.clicks.name))
    assert await replay(kafka_settings, publisher) == Replayed(replayed=1)
    assert len(await records(kafka_settings, topics.clicks.name, count + 1)) == count + 1


async def test_a_replay_of_some_leaves_the_others_for_later(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    for number in range(6):
        await publish(
            publisher,
            kafka_settings,
            letter(number, topics.clicks.name, "malformed" if number % 2 else "unknown_product"),
        )
    await publish(publisher, kafka_settings, letter(6, topics.purchases.name, "malformed"))
    assert await replay(kafka_settings, publisher, code="malformed", topic=topics.clicks.name) == Replayed(replayed=3)
    assert await replay(kafka_settings, publisher, limit=2) == Replayed(replayed=2)
    assert await replay(kafka_settings, publisher) == Replayed(replayed=2)
    assert await replay(kafka_settings, publisher) == Replayed()
    assert await records(kafka_settings, topics.clicks.name, 6) == {f"event {n}".encode() for n in range(6)}
    assert await records(kafka_settings, topics.purchases.name, 1) == {b"event 6"}


async def test_a_dry_run_sends_nothing_and_remembers_nothing(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    await publish(publisher, kafka_settings, letter(1, topics.clicks.name))
    assert await replay(kafka_settings, publisher, dry_run=True) == Replayed(replayed=1)
    assert await records(kafka_settings, topics.clicks.name, 0) == set()
    assert await replay(kafka_settings, publisher) == Replayed(replayed=1)


async def test_truncated_and_foreign_letters_are_passed_over(
    kafka_settings: KafkaSettings, topics: Topics, publisher: Publisher
) -> None:
    await publish(publisher, kafka_settings, letter(1, topics.clicks.name, value=b"v" * 1_000_000))
    await publish(publisher, kafka_settings, letter(2, "somebody.elses"))
    assert await replay(kafka_settings, publisher) == Replayed(truncated=1, foreign=1)


async def test_without_a_dead_letter_topic_it_says_so(kafka_settings: KafkaSettings) -> None:
    with pytest.raises(TopicMissing, match="topics create"):
        [stored async for stored in read(kafka_settings)]
