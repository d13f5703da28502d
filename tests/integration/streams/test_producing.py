"""Bulk writes to a real Kafka: the records and the end offsets afterwards."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiokafka import AIOKafkaProducer

from bannerstream.streams.batching.bulk_producer import BulkProducer, OutgoingRecord, Write
from tests.support.kafka_records import records_in

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


async def connect(brokers: str, compression: str | None = None) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers,
        acks="all",
        enable_idempotence=True,
        compression_type=compression,
        max_batch_size=20_000,
    )
    await producer.start()
    return producer


async def read(brokers: str, topic: str, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
    """Return key and value of every record of a partition."""
    return [(record.key, record.value) for record in await records_in(brokers, topic) if record.partition == partition]


@pytest.fixture(params=[None, "gzip", "lz4", "snappy", "zstd"], ids=str)
async def bulk(request: pytest.FixtureRequest, brokers: str) -> AsyncIterator[BulkProducer]:
    bulk = BulkProducer(partial(connect, brokers, request.param))
    await bulk.start()
    yield bulk
    await bulk.close()


def numbered(count: int) -> list[OutgoingRecord]:
    return [(b"user-%d" % number, b"state of user %d " % number * 5, []) for number in range(count)]


async def test_everything_lands_in_order_and_its_end_is_the_partitions_end(bulk, brokers, make_topic):
    topic = await make_topic("changelog", 2)
    first = await bulk.deliver([Write(topic, 0, numbered(3_000)), Write(topic, 1, [(b"ada", None, [])])])
    second = await bulk.deliver([Write(topic, 0, [(b"last", b"1", [])])])
    assert (first, second) == ({(topic, 0): 3_000, (topic, 1): 1}, {(topic, 0): 3_001})
    assert await read(brokers, topic) == [(key, value) for key, value, _ in numbered(3_000)] + [(b"last", b"1")]
    assert await read(brokers, topic, 1) == [(b"ada", None)]


async def test_what_the_broker_refuses_for_its_size_is_replaced_and_the_rest_lands(brokers, make_topic):
    topic = await make_topic("dead-letters", max_message_bytes=1_000)
    bulk = BulkProducer(partial(connect, brokers))
    await bulk.start()
    records = [(b"1", b"small", []), (b"2", b"x" * 5_000, []), (b"3", b"small", [])]
    ends = await bulk.deliver([Write(topic, 0, records, on_too_large=lambda record: (record[0], record[1][:10], []))])
    found = await read(brokers, topic)
    assert found[-3:] == [(b"1", b"small"), (b"2", b"x" * 10), (b"3", b"small")]
    assert ends == {(topic, 0): len(found)}
    await bulk.close()
