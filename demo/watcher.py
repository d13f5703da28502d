"""Counts the messages of a demo by following its topics."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from bannerstream.broker.tail import Backlog, partitions_of, reading
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.messages import Assignment, BannerReady, BannerRequest
from bannerstream.contracts.topics import Topics
from bannerstream.settings import KafkaSettings

_POLL_S = 0.05


@dataclass(slots=True)
class Observed:
    """Everything read so far. Repeats of a message count once, since delivery is at least once."""

    assignments: dict[tuple[str, int], Assignment] = field(default_factory=dict)
    """By user key and epoch."""
    requests: dict[str, BannerRequest] = field(default_factory=dict)
    """The first request of each banner key."""
    ready: dict[str, BannerReady] = field(default_factory=dict)
    """The first ready event of each banner key."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    """Invalid events, by reason code."""
    unmakeable: dict[str, str] = field(default_factory=dict)
    """Banner keys whose banner cannot be made here, with the reason, for example a missing font."""

    @property
    def waiting(self) -> int:
        """Return the number of requested banners that are not ready yet."""
        return len(self.requests.keys() - self.ready.keys() - self.unmakeable.keys())

    def event_to_ready_ms(self) -> list[int]:
        """Return, per banner, the milliseconds from the event's arrival in Kafka to its ready event, ascending."""
        return sorted(event.ready_at - event.event_appended_at for event in self.ready.values())

    def visitors(self) -> list[tuple[str, list[Assignment]]]:
        """Return each visitor's assignments in order of epoch, the most changed visitor first."""
        by_user: dict[str, list[Assignment]] = {}
        for assignment in sorted(self.assignments.values(), key=lambda assignment: assignment.epoch):
            by_user.setdefault(assignment.user_key, []).append(assignment)
        return sorted(by_user.items(), key=lambda item: (-len(item[1]), item[0]))


class Watcher:
    """Follows the topics in the background."""

    def __init__(self, consumer: AIOKafkaConsumer, topics: Topics) -> None:
        self.observed = Observed()
        self._consumer = consumer
        self._topics = topics
        self._following = asyncio.create_task(self._follow())

    def check(self) -> None:
        """Raise the error that ended the background task, if any."""
        if self._following.done():
            self._following.result()

    async def catch_up(self) -> None:
        """Return once everything that the topics hold now is observed."""
        backlog = Backlog(self._consumer, await self._consumer.end_offsets(self._consumer.assignment()))
        while not await backlog.is_read():
            self.check()
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """Stop the background task."""
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        async for record in self._consumer:
            self._observe(record)

    def _observe(self, record: ConsumerRecord) -> None:
        if record.topic == self._topics.assignments.name:
            if record.value is not None:
                assignment = decode(record.value, Assignment)
                self.observed.assignments.setdefault((assignment.user_key, assignment.epoch), assignment)
        elif record.topic == self._topics.requests.name:
            request = decode(record.value, BannerRequest)
            self.observed.requests.setdefault(request.banner_key, request)
        elif record.topic == self._topics.ready.name:
            ready = decode(record.value, BannerReady)
            self.observed.ready.setdefault(ready.banner_key, ready)
        else:
            letter = DeadLetter.from_record(record.key, record.value, record.headers)
            if letter.topic == self._topics.requests.name:
                self.observed.unmakeable[(letter.key or b"").decode()] = letter.reason
            else:
                self.observed.dead_letters[letter.code] += 1


@asynccontextmanager
async def watch(kafka: KafkaSettings) -> AsyncIterator[Watcher]:
    """Follow assignments, requests, ready events and dead letters from the beginning while the block runs.

    Raises:
        TopicMissing: a topic was not created.
        ServiceUnavailable: the broker does not answer.
    """
    topics = kafka.topic_table()
    names = [topics.assignments.name, topics.requests.name, topics.ready.name, topics.dead_letters.name]
    async with reading(kafka, await partitions_of(kafka, *names), fetch_max_wait_ms=100) as consumer:
        watcher = Watcher(consumer, topics)
        try:
            yield watcher
        finally:
            await watcher.stop()
