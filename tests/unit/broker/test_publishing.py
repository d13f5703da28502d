"""A record that cannot even be handed over does not hide what became of those before it."""

import asyncio

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from bannerstream.broker.errors import MessageTooLarge
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.settings import Settings


class Producer:
    """Stands in for aiokafka's: `answers` says of each value what becomes of it."""

    def __init__(self, answers: dict[bytes, Exception]) -> None:
        self.answers = answers
        self.taken: list[bytes] = []
        self.stopped = False
        self.timestamp_type = 1
        """The broker dates the records; the first at 1 ms, the second at 2."""

    async def send(self, topic, value, *, key, headers, partition) -> asyncio.Future:
        if value == b"too large":
            raise MessageSizeTooLargeError
        acknowledgement = asyncio.get_running_loop().create_future()
        if value in self.answers:
            acknowledgement.set_exception(self.answers[value])
        else:
            self.taken.append(value)
            number = len(self.taken)
            acknowledgement.set_result(RecordMetadata(topic, 0, None, number, number, self.timestamp_type, 0))
        return acknowledgement

    async def stop(self) -> None:
        self.stopped = True


def publisher_with(monkeypatch: pytest.MonkeyPatch, *producers: Producer) -> Publisher:
    left = list(producers)

    async def connected(_: Publisher) -> Producer:
        return left.pop(0)

    monkeypatch.setattr(Publisher, "_connected", connected)
    return Publisher(Settings().kafka)


def records(*values: bytes) -> list[Outgoing]:
    return [Outgoing("topic", b"key", value, []) for value in values]


async def test_a_producer_that_lost_a_record_before_another_was_refused_is_replaced(monkeypatch) -> None:
    worn_out, fresh = Producer({b"lost": KafkaTimeoutError()}), Producer({})
    async with publisher_with(monkeypatch, worn_out, fresh) as publisher:
        with pytest.raises(MessageTooLarge):
            await publisher.publish_all(records(b"lost", b"too large"))
        await publisher.publish_all(records(b"next"))
    assert worn_out.stopped
    assert (worn_out.taken, fresh.taken) == ([], [b"next"])


async def test_a_producer_that_lost_nothing_is_kept(monkeypatch) -> None:
    only = Producer({})
    async with publisher_with(monkeypatch, only) as publisher:
        with pytest.raises(MessageTooLarge):
            await publisher.publish_all(records(b"first", b"too large"))
        await publisher.publish_all(records(b"next"))
    assert only.taken == [b"first", b"next"]


async def test_a_record_that_was_not_acknowledged_is_told(monkeypatch) -> None:
    producer = Producer({b"lost": KafkaTimeoutError()})
    async with publisher_with(monkeypatch, producer) as publisher:
        with pytest.raises(ServiceUnavailable):
            await publisher.publish_all(records(b"first", b"lost"))


@pytest.mark.parametrize(("timestamp_type", "appended_ms"), [(0, None), (1, 2)])
async def test_the_time_of_the_broker_is_told_where_it_dates_records(
    timestamp_type: int, appended_ms: int | None, monkeypatch
) -> None:
    producer = Producer({})
    producer.timestamp_type = timestamp_type
    async with publisher_with(monkeypatch, producer) as publisher:
        assert await publisher.publish_all(records(b"first", b"second")) == appended_ms
        assert await publisher.publish_all([]) is None
