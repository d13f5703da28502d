"""Features that Bannerstream needs of any Kafka and any S3, checked on each server that devservers/ starts."""

import io
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio
from minio.error import InvalidResponseError, S3Error

from bannerstream.devservers import Stack, why_unavailable
from bannerstream.devservers.kafka_apache import ApacheKafka
from bannerstream.devservers.stack import KafkaKind, S3Kind
from bannerstream.settings.model import Settings
from tests.support.waiting import wait_until

DEADLINE_S = 20


async def create_topic(settings: Settings, name: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        topic = NewTopic(name, partitions, 1, topic_configs={"cleanup.policy": "compact"})
        response = await admin.create_topics([topic])
        assert [error[1] for error in response.topic_errors] == [0]
    finally:
        await admin.close()


async def read(consumer: AIOKafkaConsumer, count: int) -> list[object]:
    """Read `count` records."""
    records: list[object] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records after {DEADLINE_S} s"
        for batch in (await consumer.getmany(timeout_ms=200)).values():
            records += batch
    return records


@pytest.mark.servers("kafka")
async def test_records_come_back_whole(settings: Settings) -> None:
    topic = settings.kafka.topic_table().clicks.name
    now = time.time_ns() // 1_000_000
    await create_topic(settings, topic, partitions=3)
    servers = settings.kafka.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:
        assert await producer.partitions_for(topic) == {0, 1, 2}
        sent = await producer.send_and_wait(
            topic,
            b"v" * 1000,
            key=b"k",
            partition=2,
            timestamp_ms=now - 5000,
            headers=[("ce_id", b"1"), ("empty", b"")],
        )
        assert (sent.partition, sent.offset) == (2, 0)
        assert (await producer.send_and_wait(topic, None, key=b"k", partition=2)).offset == 1
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        first, tombstone = await read(consumer, 2)
    assert (first.key, first.value, first.timestamp) == (b"k", b"v" * 1000, now - 5000)
    assert first.headers == (("ce_id", b"1"), ("empty", b""))
    assert (tombstone.key, tombstone.value) == (b"k", None)


@pytest.mark.servers("kafka")
async def test_a_group_resumes_where_it_committed(settings: Settings) -> None:
    topic, group = settings.kafka.topic_table().requests.name, settings.generator.group_id
    servers = settings.kafka.bootstrap_servers
    await create_topic(settings, topic, partitions=1)
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, key=b"k")
    options = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, **options) as consumer:
        assert [record.value for record in await read(consumer, 10)] == [b"%d" % number for number in range(10)]
        await consumer.commit({TopicPartition(topic, 0): 4})
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, **options) as consumer:
        assert [record.value for record in await read(consumer, 6)] == [b"%d" % number for number in range(4, 10)]


def client(settings: Settings) -> Minio:
    storage = settings.storage
    secret = storage.secret_key.get_secret_value()
    return Minio(storage.endpoint, storage.access_key, secret, secure=storage.secure, region=storage.region)


@pytest.mark.servers("s3")
def test_objects_come_back_whole(settings: Settings) -> None:
    s3, bucket = client(settings), settings.storage.bucket
    assert not s3.bucket_exists(bucket)
    s3.make_bucket(bucket)
    assert s3.bucket_exists(bucket)
    forever = "public, max-age=31536000, immutable"
    for name in ("blobs/aa/1.webp", "blobs/ab/2.webp", "manifests/3.json"):
        s3.put_object(bucket, name, io.BytesIO(b"body"), 4, "image/webp", metadata={"Cache-Control": forever})
    found = s3.stat_object(bucket, "blobs/aa/1.webp")
    assert (found.size, found.content_type, found.metadata["Cache-Control"]) == (4, "image/webp", forever)
    with s3.get_object(bucket, "blobs/aa/1.webp") as response:
        assert response.read() == b"body"
    listed = {each.object_name for each in s3.list_objects(bucket, prefix="blobs/", recursive=True)}
    assert listed == {"blobs/aa/1.webp", "blobs/ab/2.webp"}
    s3.remove_object(bucket, "blobs/aa/1.webp")
    with pytest.raises(S3Error) as missing:
        s3.stat_object(bucket, "blobs/aa/1.webp")
    assert missing.value.code == "NoSuchKey"


@pytest.mark.servers("s3")
def test_a_stranger_is_refused(settings: Settings) -> None:
    storage = settings.storage
    s3 = Minio(storage.endpoint, storage.access_key, "not-the-secret", secure=False, region=storage.region)
    with pytest.raises((S3Error, InvalidResponseError), match="SignatureDoesNotMatch"):
        s3.list_buckets()


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie that its new parent never reaps does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("kafka", "s3"),
    [("embedded", "embedded"), *(pytest.param("apache", s3, marks=pytest.mark.real) for s3 in ("minio", "versitygw"))],
)
async def test_data_outlives_a_restart_and_a_stop_leaves_nothing(kafka: KafkaKind, s3: S3Kind, tmp_path: Path) -> None:
    if (reason := why_unavailable(kafka, s3)) is not None:
        pytest.skip(reason)
    for start in ("first", "second"):
        with Stack(kafka, s3, data_dir=tmp_path) as stack:
            settings = Settings(**stack.settings_overrides())
            assert client(settings).bucket_exists("kept") is (start == "second")
            if start == "first":
                client(settings).make_bucket("kept")
                await create_topic(settings, "kept", partitions=3)
            async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
                assert await producer.partitions_for("kept") == {0, 1, 2}
                sent = await producer.send_and_wait("kept", b"value", key=b"key", partition=1)
                assert sent.offset == (0 if start == "first" else 1)
            processes = [stack.kafka.process, stack.s3.process]
        for process in processes:
            assert process is not None
            assert process.poll() is not None
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)


PARENT = """
import pathlib, signal, sys
from bannerstream.devservers import Stack
stack = Stack("embedded", "embedded", data_dir=pathlib.Path(sys.argv[1]))
stack.start()
print(stack.kafka.process.pid, stack.s3.process.pid, flush=True)
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(children) == 2
        assert all(is_running(child) for child in children)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(is_running(child) for child in children), "the children have died with their parent")


@pytest.mark.real
def test_kafka_takes_a_cluster_id_that_looks_like_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (reason := ApacheKafka.why_unavailable()) is not None:
        pytest.skip(reason)
    monkeypatch.setattr(
        "bannerstream.devservers.kafka_apache.uuid.uuid4", lambda: uuid.UUID(bytes=b"\xf8" + bytes(range(15)))
    )
    broker = ApacheKafka(tmp_path)
    try:
        broker.start()
    finally:
        broker.stop()
    assert "cluster.id=-" in (tmp_path / "kafka-apache" / "log" / "meta.properties").read_text()
