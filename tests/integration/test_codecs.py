"""Every codec of every common producer can be read as raw records, which is how streams reads."""

import asyncio
import json
import random
import shutil
import subprocess

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from bannerstream.broker.connection import client_options
from bannerstream.broker.topic_sample import sample_topic
from bannerstream.broker.topics import describe_topics
from bannerstream.devservers.kafka_apache import jars_folder
from bannerstream.settings import Settings
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.pairs("apache"), pytest.mark.servers("kafka")]

CODECS = ("gzip", "snappy", "lz4", "zstd")
BATCH_BYTES = 300_000
"""More than one block of LZ4 (64 kB) and of Snappy's framing (32 kB)."""

LINES = [
    json.dumps(
        {"event_id": f"e-{number}", "user_id": f"u-{number % 97}", "page": random.Random(number).randbytes(9).hex()}
    )
    for number in range(6000)
]


async def by_aiokafka(bootstrap: str, topic: str, codec: str) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type=codec, max_batch_size=BATCH_BYTES, linger_ms=50
    )
    await producer.start()
    for line in LINES:
        await producer.send(topic, line.encode())
    await producer.stop()


async def by_librdkafka(bootstrap: str, topic: str, codec: str) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    await run("kcat", "-P", "-b", bootstrap, "-t", topic, "-z", codec, "-X", f"batch.size={BATCH_BYTES}")


async def by_java(bootstrap: str, topic: str, codec: str) -> None:
    java = ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars_folder()}/*")
    tool = ("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", bootstrap, "--topic", topic)
    await run(*java, *tool, "--compression-codec", codec, "--batch-size", str(BATCH_BYTES))


async def run(*command: str) -> None:
    """Run a producer that sends each line of its standard input."""
    text = "".join(f"{line}\n" for line in LINES)
    completed = await asyncio.to_thread(
        subprocess.run, command, input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


@pytest.mark.real
@pytest.mark.parametrize("producer", [by_aiokafka, by_librdkafka, by_java])
@pytest.mark.parametrize("codec", CODECS)
async def test_raw_records_of_every_producer_are_read_whatever_the_codec(
    settings: Settings, fresh_name: str, codec: str, producer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = settings.kafka
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    await admin.create_topics([NewTopic(fresh_name, 1, 1)])
    await admin.close()

    async def shown() -> bool:
        return fresh_name in await describe_topics(kafka)

    await until(shown, "the topic is there")
    assert callable(producer)
    await producer(kafka.bootstrap_servers, fresh_name, codec)

    codecs = (await sample_topic(kafka, fresh_name, 1)).codecs.keys()
    assert codec in codecs, "batches are compressed"
    assert codecs <= {codec, "none"}, "a producer may leave a batch uncompressed that would not become smaller"
    monkeypatch.setattr(PartitionRecords, "_consumer_record", lambda _, tp, record: record)
    consumer = AIOKafkaConsumer(**client_options(kafka), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(fresh_name, 0)
        consumer.assign([partition])
        records = []
        async with asyncio.timeout(PATIENCE_S):
            while len(records) < len(LINES):
                records += (await consumer.getmany(timeout_ms=200)).get(partition, [])
    finally:
        await consumer.stop()
    assert {type(record).__name__ for record in records} == {"DefaultRecord"}
    assert [record.value.decode() for record in records] == LINES
    assert [record.offset for record in records] == list(range(len(LINES)))


@pytest.mark.parametrize(("codec", "number"), [("none", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3)])
def test_message_sets_of_before_kafka_0_11_are_read(codec: str, number: int) -> None:
    """A Kafka 3 broker may still hold them; Kafka 4 neither converts nor accepts them (KIP-724)."""
    builder = LegacyRecordBatchBuilder(1, number, 1_000_000)
    for offset, line in enumerate(LINES[:1000]):
        assert builder.append(offset, timestamp=1_769_860_800_000 + offset, key=b"k", value=line.encode()) is not None
    batches = MemoryRecords(bytes(builder.build()))
    records = []
    while batches.has_next():
        batch = batches.next_batch()
        assert batch is not None
        assert batch.validate_crc()
        records += list(batch)
    assert [record.value.decode() for record in records] == LINES[:1000]
    assert (records[7].timestamp, records[7].key, list(records[7].headers)) == (1_769_860_800_007, b"k", [])
