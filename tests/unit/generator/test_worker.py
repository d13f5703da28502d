"""What the worker makes of records: their order, what it refuses, and what it commits."""

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from prometheus_client import CollectorRegistry

from broker.errors import MessageTooLarge
from broker.publishing import Outgoing
from contracts.codecs import encode
from contracts.deadletters import DeadLetter
from contracts.errors import MalformedRecord
from generator.batches import Batch, dead_letters, read_request
from generator.errors import MismatchedKey
from generator.metrics import GeneratorMetrics
from generator.worker import GeneratorWorker
from settings import Settings
from tests.unit.generator.conftest import RequestFor


def record(value: bytes | None, *, partition: int = 0, offset: int = 0, timestamp: int = 0):
    return ConsumerRecord("banner.requests", partition, offset, timestamp, 0, b"key", value, None, 0, 0, ())


def test_a_batch_is_worked_on_oldest_first_over_all_partitions(request_for: RequestFor):
    late, early = encode(request_for("late")), encode(request_for("early"))
    batch = Batch.of([record(late, partition=0, timestamp=20), record(early, partition=1, timestamp=10)])
    assert [request.product.product_id for _, request in batch.requests] == ["early", "late"]


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00", b"{}", b"[]", b'{"banner_key": 1}', b"9" * 1_000_000])
def test_what_is_no_request_is_refused_and_still_committed(value: bytes | None, request_for: RequestFor):
    batch = Batch.of([record(value, offset=4), record(encode(request_for()), offset=5)])
    assert [(each.offset, type(error)) for each, error in batch.refused] == [(4, MalformedRecord)]
    assert len(batch.requests) == 1
    assert batch.offsets == {TopicPartition("banner.requests", 0): 6}


def test_a_key_that_is_not_the_hash_of_the_request_is_refused(request_for: RequestFor):
    forged = msgspec.structs.replace(request_for("p1"), banner_key=request_for("p2").banner_key)
    with pytest.raises(MismatchedKey):
        read_request(encode(forged))


def test_a_lost_partition_is_not_committed(request_for: RequestFor):
    value = encode(request_for())
    batch = Batch.of([record(value, partition=0, offset=7), record(value, partition=1, offset=3)])
    batch.lost.add(TopicPartition("banner.requests", 0))
    assert batch.offsets == {TopicPartition("banner.requests", 1): 4}
    assert not batch.abandoned
    batch.lost.add(TopicPartition("banner.requests", 1))
    assert batch.abandoned


def test_a_dead_letter_carries_the_record_and_the_reason():
    (letter,) = dead_letters([(record(b"x", partition=2, offset=9), "malformed", "not JSON")], now=5)
    assert (letter.key, letter.value, letter.partition, letter.offset) == (b"key", b"x", 2, 9)
    assert (letter.code, letter.reason, letter.failed_at) == ("malformed", "not JSON", 5)


class Topic:
    """Stands in for a publisher to a topic with a largest size. `taken` holds what it took."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.taken: list[Outgoing] = []
        self.tries = 0

    async def publish_all(self, records: list[Outgoing]) -> None:
        self.tries += 1
        if any(len(each.value or b"") >= self.largest for each in records):
            raise MessageTooLarge("too large")
        self.taken += records


async def bury(topic: Topic, *values: bytes) -> None:
    worker = GeneratorWorker(Settings(), pipeline=None, metrics=GeneratorMetrics(CollectorRegistry()))
    failed = [(record(value, offset=at), "malformed", "not JSON") for at, value in enumerate(values)]
    await worker._bury(dead_letters(failed, now=5), topic)


async def test_a_dead_letter_that_is_too_large_goes_without_its_original_and_the_others_whole():
    topic = Topic(largest=1000)
    await bury(topic, b"x" * 5000, b"small")
    bare, whole = (DeadLetter.from_record(each.key, each.value, each.headers) for each in topic.taken)
    assert (bare.offset, bare.key, bare.value, bare.truncated_from) == (0, None, None, 5003)
    assert (whole.offset, whole.value, whole.truncated_from) == (1, b"small", None)


async def test_a_dead_letter_that_no_form_of_is_taken_is_not_tried_forever():
    topic = Topic(largest=0)
    await bury(topic, b"x")
    assert (topic.taken, topic.tries) == ([], 2)
