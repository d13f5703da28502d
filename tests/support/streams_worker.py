"""A streams worker as a process, and the shop around it: what integration and fault tests share."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import changelog_name, create_topics
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.codecs import encode
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from tests.support.consumer_group import progress
from tests.support.shop import COHORTS, PRODUCTS
from tests.support.waiting import PATIENCE_S, until


async def read_all(settings: Settings, topic: str, *, settled: bool = False) -> list[ConsumerRecord]:
    """Return every committed record that one of our own topics holds now.

    With `settled`, waits until every transaction that is open now has ended.
    """
    partitions = [TopicPartition(topic, number) for number in range(settings.kafka.partitions)]
    consumer = AIOKafkaConsumer(**client_options(settings.kafka), group_id=None, isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await (_ends(settings, partitions) if settled else consumer.end_offsets(partitions))
        records: list[ConsumerRecord] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
        return records
    finally:
        await consumer.stop()


async def _ends(settings: Settings, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the ends of partitions, the records of open transactions included."""
    async with AIOKafkaConsumer(**client_options(settings.kafka), group_id=None) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends


class Worker:
    """`python -m bannerstream.streams`, or another of its modules, as a child process."""

    def __init__(
        self, settings: Settings, environment: dict[str, str], log: Path, module: str = "bannerstream.streams"
    ) -> None:
        self._module = module
        folder = {"BANNERSTREAM_STREAMS__DATA_DIR": str(settings.streams.data_dir)}
        self._environment = {**environment, **folder}
        self.log = log
        self.process: ChildProcess

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", self._module]
        self.process = ChildProcess(command, name=self._module, log_file=self.log, environment=self._environment)

    def kill(self) -> None:
        """Send SIGKILL: the worker neither commits nor leaves its group."""
        self.process.kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal that does not end the process."""
        os.kill(self.process.pid, number)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        return self.process.stop(PATIENCE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        print(self.log.read_text()[-4000:])  # noqa: T201  (pytest shows it with a failure)


class Shop:
    """The Kafka side of a test: writes events and the catalogue, reads what streams made of them."""

    def __init__(
        self, settings: Settings, *, cohorts: Sequence[Cohort] = COHORTS, products: Sequence[Product] = PRODUCTS
    ) -> None:
        self._catalogue = (cohorts, products)
        self.settings = settings
        self.topics = settings.kafka.topic_table()
        self.changelog = changelog_name(settings.streams.app_id)
        self._options = client_options(settings.kafka)
        self._sent = 0
        self.is_open = False

    async def __aenter__(self) -> Self:
        await create_topics(self.settings.kafka)
        # Idempotent, because these tests count: a retry after a slow answer would write an event twice.
        self._producer = AIOKafkaProducer(**self._options, enable_idempotence=True)
        await self._producer.start()
        self.is_open = True
        cohorts, products = self._catalogue
        for cohort in cohorts:
            await self._producer.send_and_wait(self.topics.cohorts.name, encode(cohort), key=cohort.cohort_id.encode())
        for product in products:
            await self.load(product)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def load(self, product: Product) -> None:
        """Put a product into the catalogue."""
        await self._producer.send_and_wait(self.topics.products.name, encode(product), key=product.product_id.encode())

    async def send(self, user: str, *, topic: str | None = None, key: bytes | None = b"", **changes: Any) -> None:
        """Send an event of a visitor; `value` replaces the whole payload, `key` the key."""
        self._sent += 1
        event = {"event_id": f"e-{self._sent}", "user_id": user, "product_id": "mug", "time": int(time.time() * 1000)}
        value = changes.pop("value", None)
        await self._producer.send_and_wait(
            topic or self.topics.clicks.name,
            json.dumps(event | changes).encode() if value is None else value,
            key=user.encode() if key == b"" else key,
        )

    async def post(self, topic: str, user: str, value: bytes, *, timestamp: int) -> None:
        """Hand over a record without waiting for it; see `flush`."""
        await self._producer.send(topic, value, key=user.encode(), timestamp_ms=timestamp)

    async def flush(self) -> None:
        """Wait for everything that was posted."""
        await self._producer.flush()

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Return every record that the topic holds now."""
        return await read_all(self.settings, topic)

    async def read_until(self, topic: str, enough: Callable[[Sequence[ConsumerRecord]], bool]) -> list[ConsumerRecord]:
        """Return the topic's records once there are enough."""
        records: list[ConsumerRecord] = []

        async def there_are() -> bool:
            records[:] = await self.read(topic)
            return bool(enough(records))

        await until(there_are, f"{topic} holds what was expected")
        return records

    async def behind(self) -> int:
        """Return how many records of clicks and purchases are not committed."""
        committed, end = await progress(self.settings)
        return end - committed

    async def caught_up(self) -> None:
        """Return once every record of clicks and purchases is committed."""

        async def all_is_committed() -> bool:
            return await self.behind() == 0

        await until(all_is_committed, "every record is committed")
