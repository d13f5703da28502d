"""Bulk writes with a producer whose brokers reject the records that a test selects."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.memory_records import MemoryRecords

from bannerstream.streams.batching import bulk_producer
from bannerstream.streams.batching.bulk_producer import BulkProducer, OutgoingRecord, Write
from bannerstream.streams.batching.errors import WriteAborted

BATCH_BYTES = 200
"""The batch size of the test producer: a handful of records."""


class Brokers:
    """Keeps acknowledged records by partition. Each batch raises the next of `refusals`."""

    def __init__(self) -> None:
        self.logs: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
        self.batches: list[tuple[int, int]] = []
        self.refusals: list[KafkaError | None] = []
        self.connect_refusals: list[KafkaError] = []
        self.unknown: list[KafkaError] = []
        """Raised one by one on requests for a topic's partitions."""
        self.largest = 10_000
        self.connected = 0
        self.stopped = 0

    async def connect(self) -> "Producer":
        if self.connect_refusals:
            raise self.connect_refusals.pop(0)
        self.connected += 1
        return Producer(self)

    def take(self, batch: BatchBuilder, partition: int) -> int:
        (records,) = (list(each) for each in batches_of(bytes(batch._build())))
        if max(len(each.value or b"") for each in records) > self.largest:
            raise MessageSizeTooLargeError
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        log = self.logs.setdefault(partition, [])
        offset = len(log)
        log += [(each.key, each.value) for each in records]
        self.batches.append((partition, len(records)))
        return offset


def batches_of(packed: bytes) -> Any:
    records = MemoryRecords(packed)
    while records.has_next():
        yield records.next_batch()


class Producer:
    """The part of `AIOKafkaProducer` that is used: it acknowledges batches in order, a little later."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self.client = SimpleNamespace(send=None)

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def acknowledge() -> None:
            try:
                future.set_result(SimpleNamespace(offset=self._brokers.take(batch, partition)))
            except KafkaError as error:
                future.set_exception(error)

        asyncio.get_running_loop().call_soon(acknowledge)
        return future

    async def partitions_for(self, topic: str) -> set[int]:
        if self._brokers.unknown:
            raise self._brokers.unknown.pop(0)
        return {0, 1, 2}

    async def stop(self) -> None:
        self._brokers.stopped += 1


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
async def producer(brokers, monkeypatch) -> BulkProducer:
    monkeypatch.setattr(bulk_producer, "FIRST_RETRY_S", 0.0)
    monkeypatch.setattr(bulk_producer, "LAST_RETRY_S", 0.0)
    producer = BulkProducer(brokers.connect)
    await producer.start()
    return producer


def records(count: int, first: int = 0) -> list[OutgoingRecord]:
    return [(b"key-%d" % each, b"value-%03d" % each, []) for each in range(first, first + count)]


def plain(written: list[OutgoingRecord]) -> list[tuple[bytes | None, bytes | None]]:
    return [(key, value) for key, value, _ in written]


async def test_everything_lands_in_order_in_full_batches_and_it_is_known_where_it_ends(producer, brokers):
    ends = await producer.deliver(
        [Write("t", 0, records(50)), Write("t", 1, records(2)), Write("t", 0, records(3, 50))]
    )
    assert brokers.logs == {0: plain(records(53)), 1: plain(records(2))}
    assert ends == {("t", 0): 53, ("t", 1): 2}
    assert brokers.connected == 1
    sizes = [count for partition, count in brokers.batches if partition == 0]
    assert min(sizes[:-2]) > 1


async def test_nothing_to_write_asks_nobody(producer, brokers):
    assert await producer.deliver([Write("t", 0, [])]) == {}
    assert brokers.batches == []


async def test_a_record_larger_than_a_batch_travels_alone(producer, brokers):
    large = (b"large", b"x" * 3 * BATCH_BYTES, [])
    written = [*records(2), large, *records(2, 2)]
    ends = await producer.deliver([Write("t", 0, written)])
    assert brokers.logs[0] == plain(written)
    assert ends == {("t", 0): 5}


async def test_tombstones_and_headers_travel(producer, brokers):
    sent: list[Any] = []
    take = brokers.take
    brokers.take = lambda batch, partition: sent.append(batch) or take(batch, partition)
    await producer.deliver([Write("t", 0, [(b"k", None, [("why", b"erased")])])])
    ((record,),) = (list(each) for each in batches_of(bytes(sent[0]._build())))
    assert (record.key, record.value, list(record.headers)) == (b"k", None, [("why", b"erased")])


async def test_a_write_that_failed_is_tried_again_whole_with_a_new_producer(producer, brokers):
    """A producer that lost a batch may have a gap in its sequence numbers, which brokers reject for ever."""
    written = records(20)
    brokers.refusals = [None, NotEnoughReplicasError(), None]
    ends = await producer.deliver([Write("t", 0, written)])
    assert (brokers.connected, brokers.stopped) == (2, 1)
    assert brokers.logs[0][-20:] == plain(written)
    assert ends == {("t", 0): len(brokers.logs[0])}


async def test_what_landed_is_not_sent_again_when_another_partition_failed(producer, brokers):
    brokers.refusals = [None, KafkaTimeoutError(), KafkaTimeoutError()]
    ends = await producer.deliver([Write("t", 0, records(1)), Write("t", 1, records(1))])
    assert brokers.logs == {0: plain(records(1)), 1: plain(records(1))}
    assert ends == {("t", 0): 1, ("t", 1): 1}
    assert brokers.connected == 3


async def test_brokers_that_cannot_be_reached_are_tried_until_they_can(producer, brokers):
    brokers.refusals = [KafkaTimeoutError()]
    brokers.connect_refusals = [KafkaConnectionError(), KafkaConnectionError()]
    assert await producer.deliver([Write("t", 0, records(1))]) == {("t", 0): 1}


async def test_a_record_that_is_too_large_is_replaced_and_its_neighbours_stay_in_order(producer, brokers):
    brokers.largest = 20
    large = (b"large", b"x" * 100, [])
    written = [*records(1), large, *records(1, 1)]
    ends = await producer.deliver([Write("t", 0, written, on_too_large=lambda record: (record[0], b"smaller", []))])
    assert brokers.logs[0][-3:] == [*plain(records(1)), (b"large", b"smaller"), *plain(records(1, 1))]
    assert ends == {("t", 0): len(brokers.logs[0])}


async def test_a_record_that_nothing_smaller_stands_for_is_given_up_alone(producer, brokers):
    brokers.largest = 20
    written = [*records(1), (b"large", b"x" * 100, []), *records(1, 1)]
    await producer.deliver([Write("t", 0, written, on_too_large=lambda record: None)])
    assert brokers.logs[0][-2:] == plain(records(2))


async def test_a_record_that_is_too_large_and_must_not_be_changed_is_tried_until_the_broker_takes_it(producer, brokers):
    brokers.refusals = [MessageSizeTooLargeError(), MessageSizeTooLargeError()]
    assert await producer.deliver([Write("t", 0, records(1))]) == {("t", 0): 1}


async def test_a_worker_that_may_not_write_writes_nothing(brokers):
    producer = BulkProducer(brokers.connect, lambda: False)
    await producer.start()
    with pytest.raises(WriteAborted):
        await producer.deliver([Write("t", 0, records(1))])
    assert brokers.logs == {}


async def test_a_worker_that_may_no_longer_write_does_not_try_again(brokers):
    producer = BulkProducer(brokers.connect, lambda: bool(brokers.refusals))
    await producer.start()
    brokers.refusals = [KafkaTimeoutError()]
    with pytest.raises(WriteAborted):
        await producer.deliver([Write("t", 0, records(1))])
    assert brokers.logs == {}


async def test_a_worker_that_stops_does_not_wait_for_brokers_that_fail(producer, brokers):
    brokers.refusals = [KafkaTimeoutError()]
    producer.stop_retrying()
    with pytest.raises(WriteAborted):
        await producer.deliver([Write("t", 0, records(1))])


async def test_a_worker_that_stops_still_writes_to_brokers_that_answer(producer, brokers):
    producer.stop_retrying()
    assert await producer.deliver([Write("t", 0, records(1))]) == {("t", 0): 1}


async def test_a_defect_is_not_taken_for_an_outage(producer):
    def refuse(batch: Any, topic: str, *, partition: int) -> None:
        raise ZeroDivisionError

    producer._producer.send_batch = refuse
    with pytest.raises(ZeroDivisionError):
        await producer.deliver([Write("t", 0, records(1))])


async def test_partitions_are_asked_of_brokers_that_may_have_to_be_connected_first(brokers):
    producer = BulkProducer(brokers.connect)
    assert await producer.partitions_of("t") == 3


async def test_a_topic_that_the_brokers_do_not_tell_of_is_asked_for_until_they_do(producer, brokers):
    brokers.unknown = [UnknownTopicOrPartitionError(), KafkaConnectionError()]
    assert await producer.partitions_of("t") == 3


async def test_a_worker_that_stops_does_not_wait_for_a_topic_to_be_told(producer, brokers):
    brokers.unknown = [UnknownTopicOrPartitionError()]
    producer.stop_retrying()
    with pytest.raises(WriteAborted, match="UnknownTopic"):
        await producer.partitions_of("t")


async def test_who_is_no_member_asks_for_no_topic(brokers):
    producer = BulkProducer(brokers.connect, may_write=lambda: False)
    await producer.start()
    with pytest.raises(WriteAborted, match="no heartbeat"):
        await producer.partitions_of("t")
    await producer.close()
    assert (brokers.connected, brokers.stopped) == (1, 1)


async def test_requests_that_write_are_held_back_also_when_aiokafka_tries_them_again(brokers):
    """aiokafka's idempotent producer retries for ever: its pending records must not leave after a pause."""
    left: list[Any] = []

    async def send(node_id: int, request: Any) -> str:
        left.append(request)
        return "answer"

    connected = Producer(brokers)
    connected.client.send = send
    may_write = True
    await BulkProducer(partial(answered, connected), lambda: may_write).start()
    write, ask = object.__new__(ProduceRequest), object()
    assert await connected.client.send(1, write) == "answer"
    may_write = False
    with pytest.raises(KafkaError) as refused:
        await connected.client.send(1, write)
    assert not refused.value.retriable
    assert await connected.client.send(1, ask) == "answer"
    assert left == [write, ask]


async def test_a_request_that_fails_is_given_up_by_aiokafka_once_the_worker_stops(brokers):
    async def send(node_id: int, request: Any) -> None:
        raise KafkaConnectionError

    connected = Producer(brokers)
    connected.client.send = send
    producer = BulkProducer(partial(answered, connected))
    await producer.start()
    write = object.__new__(ProduceRequest)
    with pytest.raises(KafkaConnectionError):
        await connected.client.send(1, write)
    producer.stop_retrying()
    with pytest.raises(KafkaError) as refused:
        await connected.client.send(1, write)
    assert not refused.value.retriable


async def answered(value: Any) -> Any:
    return value
