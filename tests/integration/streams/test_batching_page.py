"""The app of docs/batching.md runs unchanged on a real Kafka."""

import asyncio
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from bannerstream.service.child_process import ChildProcess
from tests.support.kafka_records import records_in
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

PAGE = (Path(__file__).parents[3] / "docs/batching.md").read_text()
CLICKS, USERS, PARTITIONS = 1_000, 20, 2


def app_of_the_page() -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return block


@pytest.fixture
def counter(brokers: str, fresh_name: str, tmp_path: Path) -> Iterator["Counter"]:
    counter = Counter(brokers, fresh_name, tmp_path)
    yield counter
    counter.process.stop(grace_s=20)


class Counter:
    """The page's app as a process, with its own topics and group."""

    def __init__(self, brokers: str, prefix: str, folder: Path) -> None:
        self.names = {name: f"{prefix}-{name}" for name in ("clicks", "totals", "counter")}
        self.brokers = brokers
        self.folder = folder
        self.source = app_of_the_page().replace("127.0.0.1:9092", brokers)
        for name, own in self.names.items():
            assert f'"{name}"' in self.source
            self.source = self.source.replace(f'"{name}"', f'"{own}"')
        self.changelog = f"{self.names['counter']}-users-changelog"

    def start(self, source: str | None = None) -> None:
        script = self.folder / "counter.py"
        script.write_text(source or self.source)
        self.process = ChildProcess(
            [sys.executable, script], name="counter", log_file=self.folder / "log", folder=self.folder
        )

    async def make_topics(self, admin: AIOKafkaAdminClient) -> None:
        compacted = {"cleanup.policy": "compact"}
        made = await admin.create_topics(
            [
                NewTopic(self.names["clicks"], PARTITIONS, 1),
                NewTopic(self.names["totals"], 1, 1, topic_configs=compacted),
                NewTopic(self.changelog, PARTITIONS, 1, topic_configs=compacted),
            ]
        )
        assert [error[1] for error in made.topic_errors] == [0, 0, 0], made

    async def click(self, producer: AIOKafkaProducer, count: int) -> None:
        for number in range(count):
            await producer.send(self.names["clicks"], b"", b"user-%d" % (number % USERS))
        await producer.flush()

    async def committed(self, admin: AIOKafkaAdminClient) -> int:
        tps = [TopicPartition(self.names["clicks"], number) for number in range(PARTITIONS)]
        try:
            offsets = await admin.list_consumer_group_offsets(self.names["counter"], partitions=tps)
        except GroupCoordinatorNotAvailableError:  # a new broker creates the topic of offsets at the first request
            return 0
        return sum(max(0, offset.offset) for offset in offsets.values())

    async def commits(self, admin: AIOKafkaAdminClient, clicks: int) -> None:
        """Return once this many clicks are committed."""

        async def are_committed() -> bool:
            assert self.process.poll() is None, self.process.log_tail()
            return await self.committed(admin) == clicks

        await until(are_committed, self.process.log_tail)

    async def counts(self) -> dict[bytes, int]:
        """Return each user's count in the changelog."""
        states = await records_in(self.brokers, self.changelog)
        return {each.key: struct.unpack(">q", each.value)[0] for each in states}


async def test_the_app_of_the_page_counts_every_click_once_also_when_it_is_killed(counter, admin, producer):
    await counter.make_topics(admin)
    await counter.click(producer, CLICKS)
    counter.start()
    await counter.commits(admin, CLICKS)
    counter.process.kill()
    await counter.click(producer, CLICKS)
    counter.start()
    await counter.commits(admin, 2 * CLICKS)
    per_user = 2 * CLICKS // USERS
    assert await counter.counts() == {b"user-%d" % number: per_user for number in range(USERS)}
    totals = {record.key: record.value for record in await records_in(counter.brokers, counter.names["totals"])}
    assert totals == {b"user-%d" % number: b"%d" % per_user for number in range(USERS)}


async def test_an_agent_that_raises_ends_the_worker_and_what_it_dropped_is_counted_by_the_next(
    counter, admin, producer
):
    await counter.make_topics(admin)
    await counter.click(producer, CLICKS)
    line = "        totals = {}\n"
    assert counter.source.count(line) == 1
    counter.start(counter.source.replace(line, line + "        raise ValueError('a defect')\n"))
    assert await asyncio.to_thread(counter.process.wait, PATIENCE_S) != 0
    assert await counter.committed(admin) == 0
    counter.start()
    await counter.commits(admin, CLICKS)
    assert await counter.counts() == {b"user-%d" % number: CLICKS // USERS for number in range(USERS)}
