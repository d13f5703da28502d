"""The dead-letter topic: writes letters, reads them, and replays them once their cause is fixed."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.tail import partitions_of, read_to, reading
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.settings.kafka import KafkaSettings

REPLAY_GROUP = "bannerstream-dlq-replay"
"""Consumer group that stores the progress of replays."""

REPLAY_BATCH = 100
"""Letters replayed between two commits: at most this many are repeated after a crash."""

_POLL_MS = 500
_log = structlog.get_logger("bannerstream.broker.dead_letters")


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter and its position."""

    partition: int
    offset: int
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Replayed:
    """Counts of a replay so far (in a dry run, of what it would do)."""

    replayed: int = 0
    truncated: int = 0
    """Skipped permanently: the original was too long to keep whole."""
    foreign: int = 0
    """Skipped: their source topic does not belong to this deployment."""


async def publish(publisher: Publisher, settings: KafkaSettings, letter: DeadLetter) -> None:
    """Publish a dead letter and wait for its acknowledgement: only then may the record's offset be committed.

    Raises:
        ServiceUnavailable, ConfigurationError, MessageTooLarge: see `broker.connection.broker_errors`.
    """
    topic = settings.topic_table().dead_letters.name
    await publisher.publish_raw(topic, letter.key, letter.value, letter.headers())


async def read(
    settings: KafkaSettings, *, code: str | None = None, topic: str | None = None, limit: int | None = None
) -> AsyncGenerator[StoredLetter]:
    """Yield the letters now in the topic, partition by partition in order; commits nothing.

    To leave the loop early, wrap it in `contextlib.aclosing`, so that the connection closes at once.

    `code` and `topic` (the source topic's name) filter, `limit` ends early. Records that are not letters are skipped.

    Raises:
        TopicMissing: the dead-letter topic does not exist.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    async with _Reader(settings, group=None) as reader:
        left = limit
        async for stored in reader.letters(code, topic):
            if left == 0:
                return
            left = None if left is None else left - 1
            yield stored


async def replay(
    settings: KafkaSettings,
    publisher: Publisher,
    *,
    code: str | None = None,
    topic: str | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[Replayed], None] | None = None,
) -> Replayed:
    """Send original keys and values back to their source topics, each letter once over all replays.

    Progress is kept per (source topic, code) in the metadata of the commits of `bannerstream-dlq-replay`: replaying
    `unknown_product` does not consume the letters of another code. A letter that fails again becomes a new letter. A
    crash repeats at most the `REPLAY_BATCH` letters since the last commit. The commits last as long as the broker keeps
    those of an idle group (`offsets.retention.minutes`, a week by default): a later replay starts over, with letters
    that were replayed already.

    To the broker the record is new: it arrives now, without its original headers.

    Raises:
        TopicMissing: the dead-letter topic does not exist.
        ServiceUnavailable, ConfigurationError, MessageTooLarge: see `broker.connection.broker_errors`.
    """
    our_topics = {each.name for each in settings.topic_table()}
    report = on_progress or _ignore
    done = Replayed()
    batch: list[Outgoing] = []
    async with _Reader(settings, group=REPLAY_GROUP) as reader:
        async for stored in reader.letters(code, topic):
            if not reader.progress.is_new(stored):
                continue
            if done.replayed == limit:
                break
            if stored.letter.topic not in our_topics:
                done = replace(done, foreign=done.foreign + 1)
                continue
            reader.progress.advance(stored)
            if stored.letter.truncated_from is not None:
                done = replace(done, truncated=done.truncated + 1)
                continue
            done = replace(done, replayed=done.replayed + 1)
            if not dry_run:  # a dry run only counts: letters of up to 1 MB each are not kept
                batch.append(_original(stored))
            if len(batch) >= REPLAY_BATCH:
                await publisher.publish_all(batch)
                await reader.commit()
                batch = []
                report(done)
        if not dry_run:
            await publisher.publish_all(batch)
            await reader.commit()
    report(done)
    return done


def _ignore(_: Replayed) -> None:
    """Report nothing."""


def _original(stored: StoredLetter) -> Outgoing:
    origin = f"{stored.partition}:{stored.offset}"
    return Outgoing(
        stored.letter.topic, stored.letter.key, stored.letter.value, [("dlq_replayed_from", origin.encode())]
    )


class _Progress:
    """The next offset to replay, per partition of the dead-letter topic and per source topic and code."""

    def __init__(self) -> None:
        self.by_partition: dict[int, dict[str, int]] = {}
        self.changed: set[int] = set()

    def load(self, partition: int, metadata: str) -> None:
        try:
            self.by_partition[partition] = msgspec.json.decode(metadata, type=dict[str, int])
        except msgspec.DecodeError:
            _log.warning("replay progress is unreadable; starting over", partition=partition, metadata=metadata[:200])

    def is_new(self, stored: StoredLetter) -> bool:
        return stored.offset >= self.by_partition.get(stored.partition, {}).get(self._kind(stored), 0)

    def advance(self, stored: StoredLetter) -> None:
        self.by_partition.setdefault(stored.partition, {})[self._kind(stored)] = stored.offset + 1
        self.changed.add(stored.partition)

    @staticmethod
    def _kind(stored: StoredLetter) -> str:
        return f"{stored.letter.topic}/{stored.letter.code}"


class _Reader:
    """A consumer of the dead-letter topic, from its beginning to where it ended when the reader was opened."""

    def __init__(self, settings: KafkaSettings, group: str | None) -> None:
        self.progress = _Progress()
        self._settings = settings
        self._group = group
        self._topic = settings.topic_table().dead_letters.name
        self._ends: dict[TopicPartition, int] = {}
        self._consumer: Any = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "_Reader":
        partitions = await partitions_of(self._settings, self._topic)
        async with AsyncExitStack() as opening:
            self._consumer = await opening.enter_async_context(
                reading(self._settings, partitions, group_id=self._group)
            )
            with broker_errors(self._settings):
                self._ends = await self._consumer.end_offsets(partitions)
                if self._group is not None:
                    await self._load_progress(partitions)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def letters(self, code: str | None, topic: str | None) -> AsyncIterator[StoredLetter]:
        for partition, end in sorted(self._ends.items()):
            fetches = read_to(self._consumer, {partition: end}, _POLL_MS)
            while True:
                with broker_errors(self._settings):
                    if (fetched := await anext(fetches, None)) is None:
                        break
                for record in fetched.get(partition, []):
                    stored = self._letter(record)
                    if stored is None:
                        continue
                    if code in (None, stored.letter.code) and topic in (None, stored.letter.topic):
                        yield stored

    async def commit(self) -> None:
        """Store the progress of this replay."""
        offsets = {}
        for partition in self.progress.changed:
            kinds = self.progress.by_partition[partition]
            metadata = msgspec.json.encode(kinds).decode()
            offsets[TopicPartition(self._topic, partition)] = OffsetAndMetadata(max(kinds.values()), metadata)
        if not offsets:
            return
        with broker_errors(self._settings):
            await self._consumer.commit(offsets)
        self.progress.changed.clear()

    async def _load_progress(self, partitions: list[TopicPartition]) -> None:
        # aiokafka's consumer retries until it finds the group's coordinator, but hides the metadata of commits; its
        # admin client returns it.
        committed = [each for each in partitions if await self._consumer.committed(each) is not None]
        if not committed:
            return
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            await admin.start()
            for partition, commit in (await admin.list_consumer_group_offsets(self._group, None, committed)).items():
                self.progress.load(partition.partition, commit.metadata)
        finally:
            await admin.close()

    def _letter(self, record: Any) -> StoredLetter | None:
        try:
            letter = DeadLetter.from_record(record.key, record.value, record.headers)
        except ValueError as error:
            _log.warning("no dead letter", partition=record.partition, offset=record.offset, reason=str(error))
            return None
        return StoredLetter(record.partition, record.offset, letter)
