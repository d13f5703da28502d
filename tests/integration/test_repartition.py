"""Repartitioning by visitor on a real Kafka: exactly once, in order, with a header that names the shop's record."""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaTimeoutError
from prometheus_client import CollectorRegistry

from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import check_topics, create_topics, describe_topics, internal_topics, repartitioned_name
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.settings import Settings
from bannerstream.streams.errors import Fenced
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.repartition import Repartitioner, parse_origin
from bannerstream.streams.topics import prepare_topics
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.real, pytest.mark.pairs("apache"), pytest.mark.servers("kafka")]

CLICKS_PARTITIONS, PURCHASES_PARTITIONS, OWN_PARTITIONS = 5, 2, 3
DATED = {"message.timestamp.type": "LogAppendTime"}
"""As `topics check` wants it of topics of events."""
SESSION_TIMEOUT_S = 6.0
VARIABLES = {
    "BANNERSTREAM_KAFKA__PARTITIONS": str(OWN_PARTITIONS),
    "BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
    "BANNERSTREAM_STREAMS__REPARTITION": "true",
}
"""The settings of this file, for a child process."""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings of a shop whose topics have no keys and different partition counts."""
    kafka = settings.kafka.model_copy(update={"partitions": OWN_PARTITIONS, "session_timeout_s": SESSION_TIMEOUT_S})
    streams = settings.streams.model_copy(update={"repartition": True})
    return settings.model_copy(update={"kafka": kafka, "streams": streams})


class Shop:
    """Writes events without keys, and reads the copies."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topics = settings.kafka.topic_table()
        self.target = repartitioned_name(settings.streams.app_id)
        self.sent: list[tuple[str, str]] = []
        """Visitor and event id of every valid event."""

    async def __aenter__(self) -> "Shop":
        admin = AIOKafkaAdminClient(**client_options(self.settings.kafka))
        await admin.start()
        await admin.create_topics(
            [
                NewTopic(self.topics.clicks.name, CLICKS_PARTITIONS, 1, topic_configs=DATED),
                NewTopic(self.topics.purchases.name, PURCHASES_PARTITIONS, 1, topic_configs=DATED),
            ]
        )
        await admin.close()
        names = internal_topics(self.settings.streams)

        async def shown() -> bool:
            return {self.topics.clicks.name, self.topics.purchases.name} <= set(
                await describe_topics(self.settings.kafka)
            )

        await until(shown, "the shop's topics are there")
        await create_topics(self.settings.kafka, changelog=None, repartitioned=names["repartitioned"])
        await prepare_topics(self.settings.kafka, **names)
        self.producer = AIOKafkaProducer(**client_options(self.settings.kafka), enable_idempotence=True)
        await self.producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.producer.stop()

    async def send(self, count: int) -> None:
        """Send events of 50 visitors without keys, to both topics."""
        for _ in range(count):
            number = len(self.sent)
            topic = self.topics.purchases.name if number % 7 == 0 else self.topics.clicks.name
            user, event_id = f"u-{number % 50}", f"e-{number}"
            event = {"event_id": event_id, "user_id": user, "product_id": "mug", "time": int(time.time() * 1000)}
            await self.producer.send(topic, json.dumps(event).encode())
            self.sent.append((user, event_id))
        await self.producer.flush()

    async def read(self, topic: str, *, committed: bool = True) -> list[ConsumerRecord]:
        """Return the topic's records, up to its end, or with `committed` up to its last stable offset."""
        consumer = AIOKafkaConsumer(
            **client_options(self.settings.kafka),
            isolation_level="read_committed" if committed else "read_uncommitted",
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            partitions = [
                TopicPartition(topic, number)
                for number in range((await describe_topics(self.settings.kafka))[topic].partitions)
            ]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[ConsumerRecord] = []
            deadline = time.monotonic() + PATIENCE_S
            while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                assert time.monotonic() < deadline
                for fetched in (await consumer.getmany(timeout_ms=100)).values():
                    records += fetched
        finally:
            await consumer.stop()
        return records

    async def committed_offsets(self) -> int:
        """Return how many of the shop's records the copiers' group has committed."""
        admin = AIOKafkaAdminClient(**client_options(self.settings.kafka))
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(f"{self.settings.streams.app_id}-repartition")
        await admin.close()
        return sum(max(0, offset.offset) for offset in offsets.values())

    async def copied(self, count: int) -> list[ConsumerRecord]:
        """Return the committed copies, once there are `count`."""
        found: list[ConsumerRecord] = []

        async def are_committed() -> bool:
            found[:] = await self.read(self.target)
            return len(found) >= count

        await until(are_committed, f"{count} copies are committed")
        return found

    def events(self, copies: list[ConsumerRecord]) -> Counter[tuple[str, str]]:
        """Count the copies by visitor (their key) and event id."""
        return Counter((copy.key.decode(), json.loads(copy.value)["event_id"]) for copy in copies)


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    async with Shop(settings) as shop:
        yield shop


class Copiers:
    """Starts copiers; those that still run are stopped at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.running: list[Repartitioner] = []

    async def __call__(self) -> tuple[Repartitioner, list[BaseException]]:
        """Return a started copier, and a list that receives the error that ends it."""
        failures: list[BaseException] = []

        async def on_failure(error: BaseException) -> None:
            failures.append(error)

        copier = Repartitioner(self._settings, StreamsMetrics(CollectorRegistry()), on_failure)
        await copier.start()
        self.running.append(copier)
        return copier, failures

    async def stop(self, copier: Repartitioner) -> None:
        self.running.remove(copier)
        await copier.stop()


@pytest.fixture
async def copier(settings: Settings) -> AsyncIterator[Copiers]:
    copiers = Copiers(settings)
    yield copiers
    for running in list(copiers.running):
        await copiers.stop(running)


async def test_each_visitors_events_meet_in_one_partition_in_order_and_name_their_origin(
    shop: Shop, copier: Copiers
) -> None:
    await shop.send(2000)
    _, failures = await copier()
    copies = await shop.copied(2000)

    assert shop.events(copies) == Counter(shop.sent)
    partitions: dict[bytes, set[int]] = defaultdict(set)
    for copy in copies:
        partitions[copy.key].add(copy.partition)
    assert all(len(numbers) == 1 for numbers in partitions.values())
    assert len(set.union(*partitions.values())) == OWN_PARTITIONS

    originals = {
        (record.topic, record.partition, record.offset): record
        for topic in (shop.topics.clicks.name, shop.topics.purchases.name)
        for record in await shop.read(topic)
    }
    last: dict[tuple[bytes, str, int], int] = {}
    for copy in sorted(copies, key=lambda copy: (copy.partition, copy.offset)):
        origin = parse_origin(copy.headers)
        original = originals[origin.topic, origin.partition, origin.offset]
        assert (copy.value, origin.timestamp) == (original.value, original.timestamp)
        assert origin.source == ("purchases" if origin.topic == shop.topics.purchases.name else "clicks")
        source = (copy.key, origin.topic, origin.partition)
        assert last.get(source, -1) < origin.offset
        last[source] = origin.offset
    assert failures == []


async def test_what_cannot_be_read_becomes_a_dead_letter_of_the_shops_record(shop: Shop, copier: Copiers) -> None:
    await shop.send(10)
    bad = await shop.producer.send_and_wait(shop.topics.clicks.name, b'{"cut off', key=b"k", partition=4)
    tombstone = await shop.producer.send_and_wait(shop.topics.purchases.name, None, key=b"k", partition=1)
    huge = await shop.producer.send_and_wait(shop.topics.clicks.name, b"x" * 900_001, partition=0)
    await shop.send(10)
    await copier()
    assert shop.events(await shop.copied(20)) == Counter(shop.sent)

    letters: list[DeadLetter] = []

    async def all_three() -> bool:
        records = await shop.read(shop.topics.dead_letters.name)
        letters[:] = [DeadLetter.from_record(record.key, record.value, record.headers) for record in records]
        return len(letters) >= 3

    await until(all_three, "the letters are committed")
    found = {(letter.topic, letter.partition, letter.offset): letter for letter in letters}
    assert len(letters) == len(found) == 3
    codes = {(sent.topic, sent.partition, sent.offset): code for sent, code in
             ((bad, "malformed"), (tombstone, "tombstone"), (huge, "oversized"))}  # fmt: skip
    assert {where: letter.code for where, letter in found.items()} == codes
    assert found[bad.topic, bad.partition, bad.offset].value == b'{"cut off'


async def test_a_letter_that_its_topic_refuses_leaves_its_original_out_and_stops_nothing(
    shop: Shop, copier: Copiers
) -> None:
    admin = AIOKafkaAdminClient(**client_options(shop.settings.kafka))
    await admin.start()
    await admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC, shop.topics.dead_letters.name, configs={"max.message.bytes": "10000"}
            )
        ]
    )
    await admin.close()
    await shop.producer.send_and_wait(shop.topics.clicks.name, random.Random(1).randbytes(50_000), partition=0)
    await shop.send(30)
    _, failures = await copier()
    assert shop.events(await shop.copied(30)) == Counter(shop.sent)
    (record,) = await shop.read(shop.topics.dead_letters.name)
    letter = DeadLetter.from_record(record.key, record.value, record.headers)
    assert (letter.bare, letter.truncated_from) == (True, 50_000)
    assert failures == []


STUCK = """
import asyncio
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry
from bannerstream.settings import load_settings
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.repartition import Repartitioner

async def never(producer, offsets, group):
    await asyncio.Event().wait()

async def main():
    AIOKafkaProducer.send_offsets_to_transaction = never
    await Repartitioner(load_settings(), StreamsMetrics(CollectorRegistry()), never).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""
"""A process that blocks when its copies are written and acknowledged, and nothing is committed."""


async def test_who_is_killed_in_mid_transaction_leaves_nothing_and_everything_comes_again(
    shop: Shop, copier: Copiers, environment: dict[str, str]
) -> None:
    await shop.send(500)
    variables = {**os.environ, **environment, **VARIABLES}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", STUCK, env=variables, cwd=ROOT)
    try:

        async def written() -> bool:
            assert child.returncode is None
            return len(await shop.read(shop.target, committed=False)) == 500

        await until(written, "all copies are written")
    finally:
        child.kill()
        await child.wait()
    assert await shop.read(shop.target) == []

    await copier()
    assert shop.events(await shop.copied(500)) == Counter(shop.sent)
    assert len(await shop.read(shop.target, committed=False)) == 1000, "aborted copies are in the topic, but not read"


async def test_who_is_replaced_while_it_stands_still_commits_nothing(
    shop: Shop, copier: Copiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is paused between its last acknowledgement and its commit, and continues after another took over."""
    await shop.send(500)
    paused, go_on = asyncio.Event(), asyncio.Event()
    commit = AIOKafkaProducer.commit_transaction

    async def late(self: Any) -> None:
        if not go_on.is_set():
            paused.set()
            await go_on.wait()
        await commit(self)

    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", late)
    slow, failures = await copier()
    async with asyncio.timeout(PATIENCE_S):
        await paused.wait()
    # Its heartbeats stop, as in a paused process, so the group reassigns its partitions.
    await slow._consumer._coordinator._stop_heartbeat_task()
    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", commit)
    _, others = await copier()

    async def taken_over() -> bool:
        return await shop.committed_offsets() == 500

    # Not a committed read, which would wait until the brokers have aborted the open transaction.
    await until(taken_over, "the other copier has committed everything")
    go_on.set()

    async def replaced() -> bool:
        return bool(failures)

    await until(replaced, "the slow copier reports that it was replaced")
    assert isinstance(failures[0], Fenced)
    assert shop.events(await shop.copied(500)) == Counter(shop.sent)
    await shop.send(20)
    assert shop.events(await shop.copied(520)) == Counter(shop.sent)
    assert others == []


@pytest.mark.parametrize("fails", ["commit_transaction", "send_offsets_to_transaction"])
async def test_a_failure_of_the_brokers_is_tried_again_and_what_was_committed_is_not(
    fails: str, shop: Shop, copier: Copiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call succeeds and its response is lost: a commit is then complete, sent offsets are not committed."""
    real = getattr(AIOKafkaProducer, fails)
    failed = 0

    async def lose_response(self: Any, *arguments: object) -> None:
        nonlocal failed
        await real(self, *arguments)
        if failed < 4:
            failed += 1
            raise KafkaTimeoutError

    monkeypatch.setattr(AIOKafkaProducer, fails, lose_response)
    await shop.send(500)
    _, failures = await copier()
    await shop.copied(500)
    await shop.send(50)
    assert shop.events(await shop.copied(550)) == Counter(shop.sent)
    assert failed == 4
    assert failures == []


async def test_copiers_that_join_and_leave_under_load_copy_each_record_once(shop: Shop, copier: Copiers) -> None:
    first, first_failures = await copier()
    failures = [first_failures]
    for number in range(4):
        await shop.send(400)
        another, its_failures = await copier()
        failures.append(its_failures)
        await shop.send(400)
        if number % 2:
            await copier.stop(first)
            first = another
    copies = await shop.copied(len(shop.sent))
    assert shop.events(copies) == Counter(shop.sent)
    assert [failure for failure in failures if failure] == []


async def test_the_shops_topics_may_differ_and_ours_may_not(shop: Shop) -> None:
    kafka, names = shop.settings.kafka, internal_topics(shop.settings.streams)
    there = await describe_topics(kafka)
    assert (there[shop.topics.clicks.name].partitions, there[shop.topics.purchases.name].partitions) == (5, 2)
    assert there[names["changelog"]].partitions == there[shop.target].partitions == OWN_PARTITIONS
    assert (await check_topics(kafka, **names)).problems == ()
    without = await check_topics(kafka, changelog=names["changelog"])
    assert {problem.kind for problem in without.problems} == {"partitions"}
    assert "set streams.repartition = true" in without.problems[0].message
