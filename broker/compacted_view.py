"""Compacted topics as tables: the latest value of each key, read to the end and then followed.

Every partition is read from its beginning without a consumer group: a view commits nothing and takes no partition from
anybody.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Self, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.topics import describe_topics
from bannerstream.contracts.errors import BannerstreamError, InvalidRecord
from bannerstream.settings.kafka import KafkaSettings

_T = TypeVar("_T")
_log = structlog.get_logger("bannerstream.broker.compacted_view")

_POLL_MS = 200
"""How long one fetch waits when nothing comes: bounds how long closing a view takes."""


NameOf = Callable[[bytes, int], str]
"""From a record's key and partition to the name under which a view holds it."""


def by_key(key: bytes, partition: int) -> str:
    """Name a record by its key alone: a key lives in one partition."""
    del partition
    return key.decode()


def by_partition_and_key(key: bytes, partition: int) -> str:
    """Name a record `3/key`: for changelogs whose partitions each count a share of the same key."""
    return f"{partition}/{key.decode()}"


async def read_compacted(
    settings: KafkaSettings, topic: str, decode: Callable[[bytes], _T], name_of: NameOf = by_key
) -> dict[str, _T]:
    """Return the latest value of each key, as the topic stands now. Records that `decode` refuses are skipped.

    Raises:
        TopicMissing: there is no such topic.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    async with CompactedView(settings, topic, decode, name_of) as view:
        await view.caught_up()
        return dict(view.current())


class CompactedView(Generic[_T]):
    """A compacted topic held in memory for the length of an `async with`.

    `decode` turns a value into a message and raises `InvalidRecord` for one that it cannot use: such a record is
    skipped and counted in `skipped`, the first one is logged, and the key keeps the value it had.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, decode: Callable[[bytes], _T], name_of: NameOf = by_key
    ) -> None:
        self.skipped = 0
        self.version = 0
        """Grows with every change: cheap to compare for whoever derives something from the view."""
        self._settings = settings
        self._topic = topic
        self._decode = decode
        self._name_of = name_of
        self._latest: dict[str, _T] = {}
        self._read_to_end = asyncio.Event()
        self._consumer: Any = None
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect and begin to read.

        Raises:
            TopicMissing: there is no such topic.
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
        """
        state = (await describe_topics(self._settings)).get(self._topic)
        if state is None:
            raise TopicMissing(f"there is no topic {self._topic}: run `bannerstream topics create`")
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # a position that was cleaned away: by default the rest would be passed over
        )
        try:
            with broker_errors(self._settings):
                await consumer.start()
                throttle_empty_fetches(consumer)
                partitions = [TopicPartition(self._topic, number) for number in range(state.partitions)]
                consumer.assign(partitions)
                await consumer.seek_to_beginning(*partitions)
                ends = await consumer.end_offsets(partitions)
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        self._following = asyncio.create_task(self._follow(ends), name=f"compacted view of {self._topic}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following and disconnect; the values stay readable."""
        if self._following is not None:
            self._following.cancel()
            # A failure was raised by `caught_up` or `current` to whoever relies on the values.
            with suppress(asyncio.CancelledError, BannerstreamError):
                await self._following
        await self._consumer.stop()

    async def caught_up(self) -> None:
        """Return once every record is in that the topic held when the view was opened.

        Raises:
            ServiceUnavailable, ConfigurationError: reading failed.
        """
        reached = asyncio.create_task(self._read_to_end.wait())
        following = self._require_following()
        try:
            await asyncio.wait({reached, following}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reached.cancel()
        if not self._read_to_end.is_set():
            following.result()

    def current(self) -> Mapping[str, _T]:
        """Return the latest value of each key: a live view that changes with the topic, read-only.

        Raises:
            ServiceUnavailable, ConfigurationError: following failed, so the values may be old.
        """
        following = self._require_following()
        if following.done() and not following.cancelled():
            following.result()
        return MappingProxyType(self._latest)

    def _require_following(self) -> "asyncio.Task[None]":
        if self._following is None:
            raise RuntimeError("a CompactedView is used inside `async with`")
        return self._following

    async def _follow(self, ends: dict[TopicPartition, int]) -> None:
        behind = dict(ends)
        with broker_errors(self._settings):
            while True:
                # A position can pass the end without a record: compaction and transactions leave gaps.
                for partition in list(behind):
                    if await self._consumer.position(partition) >= behind[partition]:
                        del behind[partition]
                if not behind:
                    self._read_to_end.set()
                for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for record in records:
                        self._apply(record.key, record.value, record.partition, record.offset)

    def _apply(self, key: bytes | None, value: bytes | None, partition: int, offset: int) -> None:
        try:
            name = self._name_of(_present(key), partition)
            if value is None:
                self._latest.pop(name, None)
            else:
                self._latest[name] = self._decode(value)
        except (InvalidRecord, UnicodeDecodeError) as error:
            self.skipped += 1
            if self.skipped == 1:
                _log.warning(
                    "record skipped; later ones are only counted",
                    topic=self._topic,
                    partition=partition,
                    offset=offset,
                    reason=str(error),
                )
            return
        self.version += 1


def _present(key: bytes | None) -> bytes:
    if key is None:
        raise InvalidRecord("a record of a compacted topic needs a key")
    return key
