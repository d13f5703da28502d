"""A dead letter that its topic refuses for its size stops nothing."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from prometheus_client import CollectorRegistry

from contracts.deadletters import DeadLetter
from settings import Settings
from streams.metrics import StreamsMetrics
from streams.outbox import Outbox, Outgoing

LETTER = DeadLetter(
    key=b"user", value=b"x" * 5000, topic="clicks", partition=3, offset=7, code="malformed", reason="?", failed_at=1
)


class Producer:
    """Stands in for aiokafka's: refuses what `refuses` says, as a broker does, and keeps the rest."""

    def __init__(self, refuses: Callable[[bytes | None], bool]) -> None:
        self.refuses = refuses
        self.taken: list[Outgoing] = []
        self.tries = 0

    async def send(self, topic, value, *, key, partition, headers) -> asyncio.Future:
        self.tries += 1
        acknowledgement = asyncio.get_running_loop().create_future()
        if self.refuses(value):
            acknowledgement.set_exception(MessageSizeTooLargeError())
        else:
            self.taken.append(Outgoing(topic, key, value, headers, partition))
            acknowledgement.set_result(SimpleNamespace(offset=len(self.taken)))
        return acknowledgement

    async def stop(self) -> None:
        pass


def outbox_with(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    kafka = Settings().kafka
    metrics = StreamsMetrics(CollectorRegistry())
    outbox = Outbox(kafka, kafka.topic_table(), "changelog", source="test", ttl_s=60, metrics=metrics)

    async def connect() -> Producer:
        return producer

    monkeypatch.setattr(outbox, "_connect", connect)
    return outbox


async def test_a_letter_that_is_too_large_goes_without_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(refuses=lambda value: len(value or b"") > 1000)
    await outbox_with(producer, monkeypatch).publish([], [], [LETTER])
    (record,) = producer.taken
    kept = DeadLetter.from_record(record.key, record.value, record.headers)
    assert (kept.key, kept.value, kept.truncated_from) == (None, None, 5004)
    assert (kept.topic, kept.partition, kept.offset, kept.code) == ("clicks", 3, 7, "malformed")
    assert producer.tries == 2


async def test_a_letter_that_no_form_of_is_taken_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(refuses=lambda value: True)
    await outbox_with(producer, monkeypatch).publish([], [], [LETTER])
    assert (producer.taken, producer.tries) == ([], 2)
