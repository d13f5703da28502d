"""`streams.repartition = true` end to end: events without keys, unequal partition counts, the worker as a process."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import describe_topics, repartitioned_name
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment
from bannerstream.settings import Settings
from bannerstream.streams.affinity import unpack
from tests.support.streams_worker import Shop, Worker
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.real, pytest.mark.pairs("apache")]

BANNERSTREAM = Path(sys.executable).with_name("bannerstream")
CLICKS_PARTITIONS, PURCHASES_PARTITIONS = 3, 5

Run = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"streams": settings.streams.model_copy(update={"repartition": True})})


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    # Events arrive in any order, and the minimum interval would make the final banner depend on which came first.
    return environment | {"BANNERSTREAM_STREAMS__REPARTITION": "true", "BANNERSTREAM_STREAMS__MIN_INTERVAL_S": "0"}


@pytest.fixture
def bannerstream(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run the installed command, check its exit code, and return the JSON that it prints."""

    async def run(*arguments: str, code: int = 0) -> Any:
        child = await asyncio.create_subprocess_exec(
            *(BANNERSTREAM, *arguments),
            env={**os.environ, **environment},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await child.communicate()
        assert child.returncode == code, (stdout + stderr).decode()
        return json.loads(stdout) if "--json" in arguments else stdout.decode()

    return run


class Keyless:
    """Writes events without keys, to the partitions in turn."""

    def __init__(self, shop: Shop, producer: AIOKafkaProducer) -> None:
        self.shop = shop
        self._producer = producer
        self._sent = 0

    async def send(self, user: str, product_id: str, *, buys: bool = False, value: bytes | None = None) -> Any:
        """Send an event and return its metadata (topic, partition, offset)."""
        self._sent += 1
        topic, count = self.shop.topics.clicks.name, CLICKS_PARTITIONS
        if buys:
            topic, count = self.shop.topics.purchases.name, PURCHASES_PARTITIONS
        event = {
            "event_id": f"e-{self._sent}",
            "user_id": user,
            "product_id": product_id,
            "time": time.time_ns() // 1_000_000,
        }
        value = json.dumps(event).encode() if value is None else value
        return await self._producer.send_and_wait(topic, value, partition=self._sent % count)


@pytest.fixture
async def keyless(settings: Settings, bannerstream: Run) -> AsyncIterator[Keyless]:
    """Create the shop's topics with its partition counts, create ours with the command, and load the catalogue."""
    topics = settings.kafka.topic_table()
    theirs = {topics.clicks.name: CLICKS_PARTITIONS, topics.purchases.name: PURCHASES_PARTITIONS}
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    dated = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, count, 1, topic_configs=dated) for name, count in theirs.items()])
    await admin.close()

    async def shown() -> bool:
        return theirs.keys() <= (await describe_topics(settings.kafka)).keys()

    await until(shown, "the shop's topics are there")
    await bannerstream("topics", "create", "--json")
    producer = AIOKafkaProducer(**client_options(settings.kafka), enable_idempotence=True)
    async with Shop(settings) as shop:
        await producer.start()
        try:
            yield Keyless(shop, producer)
        finally:
            await producer.stop()


@pytest.fixture
def worker(keyless: Keyless, environment: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    with Worker(keyless.shop.settings, environment, tmp_path / "worker.log") as worker:
        yield worker


def key_of(user: str, settings: Settings) -> bytes:
    return user_key(user, settings.privacy.user_key_secret.get_secret_value().encode()).encode()


async def assignments(keyless: Keyless) -> dict[bytes, Assignment | None]:
    """Return the latest assignment of each visitor."""
    records = await keyless.shop.read(keyless.shop.topics.assignments.name)
    return {record.key: None if record.value is None else decode(record.value, Assignment) for record in records}


async def test_the_commands_make_and_accept_topics_that_differ(
    keyless: Keyless, settings: Settings, bannerstream: Run
) -> None:
    topics = settings.kafka.topic_table()
    there = await describe_topics(settings.kafka)
    own = repartitioned_name(settings.streams.app_id)
    assert {there[each].partitions for each in (own, topics.erasures.name, keyless.shop.changelog)} == {
        settings.kafka.partitions
    }
    assert (there[topics.clicks.name].partitions, there[topics.purchases.name].partitions) == (3, 5)
    assert await bannerstream("topics", "check", "--json") == []
    assert {each["outcome"] for each in await bannerstream("topics", "create", "--json")} == {"was there"}
    await bannerstream("storage", "create")
    assert [each["ok"] for each in await bannerstream("config", "check", "--json")] == [True, True]


async def test_clicks_without_keys_and_purchases_of_other_partitions_meet_in_one_state(
    keyless: Keyless, worker: Worker, settings: Settings
) -> None:
    visitors = [f"u-{number}" for number in range(12)]
    for user in visitors:
        await keyless.send(user, "mug")
        await keyless.send(user, "shoe")
    await keyless.send("u-3", "mug", buys=True)

    async def all_are_assigned() -> bool:
        found = await assignments(keyless)
        bought = found.get(key_of("u-3", settings))
        return len(found) == len(visitors) and bought is not None and bought.product_id == "blanket"

    await until(all_are_assigned, "every visitor has a banner, and who bought the mug another one")
    found = await assignments(keyless)
    assert found.keys() == {key_of(user, settings) for user in visitors}

    async def all_is_written() -> bool:
        states = {record.key: unpack(record.value) for record in await keyless.shop.read(keyless.shop.changelog)}
        scores = {key: sum(state.scores.values()) for key, state in states.items()}
        expected = {key_of(user, settings): 4.0 for user in visitors}
        expected[key_of("u-3", settings)] = 14.0
        return scores == pytest.approx(expected, rel=0.01)

    await until(all_is_written, "each event counted once, in its visitor's one state")


async def test_dead_letters_name_the_shops_own_records_wherever_they_were_refused(
    keyless: Keyless, worker: Worker
) -> None:
    malformed = await keyless.send("ada", "mug", value=b'{"cut off')
    unknown = await keyless.send("ada", "ghost", buys=True)
    shop = keyless.shop
    records = await shop.read_until(shop.topics.dead_letters.name, lambda records: len(records) == 2)
    letters = [DeadLetter.from_record(record.key, record.value, record.headers) for record in records]
    assert {(letter.code, letter.topic, letter.partition, letter.offset) for letter in letters} == {
        ("malformed", malformed.topic, malformed.partition, malformed.offset),
        ("unknown_product", unknown.topic, unknown.partition, unknown.offset),
    }


async def test_a_visitor_is_erased_there_too(
    keyless: Keyless, worker: Worker, settings: Settings, bannerstream: Run
) -> None:
    await keyless.send("ada", "mug")
    await keyless.send("ada", "shoe", buys=True)

    async def assigned() -> bool:
        return key_of("ada", settings) in await assignments(keyless)

    async def both_are_written() -> bool:
        states = [record for record in await keyless.shop.read(keyless.shop.changelog) if record.value is not None]
        return bool(states) and sum(unpack(states[-1].value).scores.values()) > 10

    await until(assigned, "ada has a banner")
    await until(both_are_written, "both of her events are folded")
    report = await bannerstream("erase", "ada", "--wait", "--json")
    assert report["erased"] is True
    assert (await assignments(keyless))[key_of("ada", settings)] is None
    state = [record.value for record in await keyless.shop.read(keyless.shop.changelog)]
    assert state[-1] is None
