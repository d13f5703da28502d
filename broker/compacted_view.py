"""Compacted topics as tables: the latest value of each key, read to the end, then followed.

Reads every partition from its beginning without a consumer group: a view commits nothing and takes no partition from
a group.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Self, TypeVar

import structlog

from bannerstream.broker.connection import broker_errors
from bannerstream.broker.tail import Backlog, partitions_of, reading
from bannerstream.contracts.errors import BannerstreamError, InvalidRecord
from bannerstream.settings.kafka import KafkaSettings

_T = TypeVar("_T")
_log = structlog.get_logger("bannerstream.broker.compacted_view")

_POLL_MS = 200
"""Longest wait of one fetch, which bounds how long closing a view takes."""


NameOf = Callable[[bytes, int], str]
"""Maps a record's key and partition to the name under which a view holds it."""


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
    """Return the current latest value of each key. Records that `decode` refuses are skipped.

    Raises:
        TopicMissing: the topic does not exist.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    async with CompactedView(settings, topic, decode, name_of) as view:
        await view.caught_up()
        return dict(view.current())


class CompactedView(Generic[_T]):
    """Holds a compacted topic in memory within an `async with`.

    `decode` turns a value into a message and raises `InvalidRecord` for one that it cannot use: such a record is
    skipped and counted in `skipped`, the first one is logged, and the key keeps the value it had.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, decode: Callable[[bytes], _T], name_of: NameOf = by_key
    ) -> None:
        self.skipped = 0
        self.version = 0
        """Grows with every change: a cheap comparison for what is derived from the view."""
        self._settings = settings
        self._topic = topic
        self._decode = decode
        self._name_of = name_of
        self._latest: dict[str, _T] = {}
        self._read_to_end = asyncio.Event()
        self._open = AsyncExitStack()
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect and start reading.

        Raises:
            TopicMissing: the topic does not exist.
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
        """
        partitions = await partitions_of(self._settings, self._topic)
        async with AsyncExitStack() as opening:
            consumer = await opening.enter_async_context(reading(self._settings, partitions))
            with broker_errors(self._settings):
                backlog = Backlog(consumer, await consumer.end_offsets(partitions))
            self._open = opening.pop_all()
        self._following = asyncio.create_task(self._follow(consumer, backlog), name=f"compacted view of {self._topic}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following and disconnect; the values stay readable."""
        if self._following is not None:
            self._following.cancel()
            # `caught_up` or `current` raised the failure to the code that relies on the values.
            with suppress(asyncio.CancelledError, BannerstreamError):
                await self._following
        await self._open.aclose()

    async def caught_up(self) -> None:
        """Return once every record that the topic held at opening is read.

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
        """Return the latest value of each key: a live, read-only view that changes with the topic.

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

    async def _follow(self, consumer: Any, backlog: Backlog) -> None:
        with broker_errors(self._settings):
            while True:
                if await backlog.is_read():
                    self._read_to_end.set()
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
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
