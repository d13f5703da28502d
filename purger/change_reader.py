"""Reads assignments and ready events: first up to the committed offsets without purging, then new records.

Which pointers a record makes stale depends on the records before it. The topics are compacted, so they serve as the
purger's state: a worker that is assigned the partitions reads each from its beginning to the committed offset without
purging, and continues from there. A group without commits begins at the end: no earlier pointer is in the CDN's cache.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.tail import read_to
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ConfigurationError, InvalidRecord, MalformedRecord, ServiceUnavailable
from bannerstream.contracts.messages import Assignment, BannerReady
from bannerstream.purger.assignor import OldestMemberAssignor
from bannerstream.purger.staleness import Origin, Stale, Staleness
from bannerstream.settings import Settings

log = structlog.get_logger(__name__)

_POLL_MS = 500
"""How long one poll waits for records; a stop is noticed within this time."""

_PROVEN_WINDOWS = 3

_NEVER_MS = 2**31 - 1
"""For `max_poll_interval_ms`: a worker that waits for its CDN does not poll; its heartbeats show that it is alive."""

_USER_KEY, _BANNER_KEY = re.compile(rb"[0-9a-f]{32}"), re.compile(rb"[0-9a-f]{64}")


class _ConsumedRecord(Protocol):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Window:
    """The changes within one time window."""

    stale: Stale = field(default_factory=Stale)
    refused: list[tuple[Origin, InvalidRecord]] = field(default_factory=list)
    """Invalid records with their errors."""
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """Offsets to commit once the window is purged."""
    records: int = 0
    read_at_s: float = 0.0
    """Monotonic time at which the last record was read."""


class ChangeReader:
    """Consumes assignments and ready events, and tracks the staleness that follows from them."""

    def __init__(self, settings: Settings, *, by_tag: bool) -> None:
        self._kafka = settings.kafka
        self._settings = settings.cdn
        self._by_tag = by_tag
        table = settings.kafka.topic_table()
        self._ready, self._assignments = table.ready.name, table.assignments.name
        self._must_catch_up = False
        self._windows = 0
        self.staleness = Staleness(by_tag=by_tag)
        self._consumer = AIOKafkaConsumer(
            **client_options(self._kafka, client_id="bannerstream-purger"),
            group_id=self._settings.group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",  # streams writes assignments in transactions
            session_timeout_ms=round(self._kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=round(self._kafka.session_timeout_s * 1000 / 3),
            max_poll_interval_ms=_NEVER_MS,
            partition_assignment_strategy=(OldestMemberAssignor,),
        )

    async def start(self) -> None:
        """Join the group.

        Raises:
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
        """
        with broker_errors(self._kafka):
            await self._consumer.start()
        throttle_empty_fetches(self._consumer)
        self._consumer.subscribe([self._ready, self._assignments], listener=_RebalanceListener(self))

    async def stop(self) -> None:
        """Leave the group."""
        await self._consumer.stop()

    @property
    def active(self) -> bool:
        """Return whether this worker holds the partitions and has caught up."""
        return bool(self._consumer.assignment()) and not self._must_catch_up

    @property
    def established(self) -> bool:
        """Return whether the brokers let us join and fetch: a refused fetch shows within the windows after it."""
        return self._windows > _PROVEN_WINDOWS

    def assignment_changed(self) -> None:
        """Note that the assignment may have changed: the partitions must be read from their beginnings first."""
        self._must_catch_up = True

    async def window(self, stopped: Callable[[], bool]) -> Window:
        """Return the changes within `cdn.coalesce_s` of the first record; empty if there are none, or when stopped.

        Raises:
            ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`; no record was consumed.
        """
        while self._must_catch_up and not stopped():
            await self._catch_up(stopped)
        window = Window()
        until_s: float | None = None
        while window.records < self._settings.batch_size and not stopped():
            wait_ms = _POLL_MS if until_s is None else round((until_s - time.monotonic()) * 1000)
            if wait_ms <= 0:
                break
            left = self._settings.batch_size - window.records
            try:
                with broker_errors(self._kafka):
                    fetched = await self._consumer.getmany(timeout_ms=wait_ms, max_records=left)
            except (ServiceUnavailable, ConfigurationError):
                if not window.records:
                    raise
                break  # the consumer would not deliver the records read so far again
            if self._must_catch_up:
                return Window()  # after the rebalance, uncommitted records are delivered again
            self._collect(fetched, window)
            if not window.records:
                break
            if until_s is None:
                until_s = time.monotonic() + self._settings.coalesce_s
        self._windows += bool(self._consumer.assignment())
        return window

    async def commit(self, window: Window) -> None:
        """Commit a window.

        Raises:
            ServiceUnavailable, ConfigurationError: the commit failed, most often because another worker took over; that
                worker purges the window again.
        """
        with broker_errors(self._kafka):
            await self._consumer.commit(window.offsets)

    async def behind(self) -> int:
        """Return the number of offsets to the high watermarks, as of the last fetch."""
        with broker_errors(self._kafka):
            partitions = self._consumer.assignment()
            marks = {tp: self._consumer.highwater(tp) for tp in partitions}
            return sum([mark - await self._consumer.position(tp) for tp, mark in marks.items() if mark is not None])

    def _collect(self, fetched: dict[TopicPartition, list[_ConsumedRecord]], window: Window) -> None:
        for partition, records in fetched.items():
            for record in records:
                try:
                    self._apply(record, window.stale)
                except InvalidRecord as error:
                    window.refused.append((_origin(record), error))
                window.records += 1
                window.offsets[partition] = record.offset + 1
            window.read_at_s = time.monotonic()

    def _apply(self, record: _ConsumedRecord, stale: Stale) -> None:
        origin = _origin(record)
        if record.topic == self._ready:
            banner_key = _key(record, _BANNER_KEY)
            ready = None if record.value is None else decode(record.value, BannerReady)
            self.staleness.ready(banner_key, ready, origin, stale)
        else:
            user_key = _key(record, _USER_KEY)
            assignment = None if record.value is None else decode(record.value, Assignment)
            self.staleness.assigned(user_key, assignment, origin, stale)

    async def _catch_up(self, stopped: Callable[[], bool]) -> None:
        """Read up to the committed offsets without purging, and seek to them."""
        self._must_catch_up = False
        self.staleness = Staleness(by_tag=self._by_tag)
        try:
            with broker_errors(self._kafka):
                starts = await self._starts(self._consumer.assignment())
                # Ready events first: whether an assignment is shown depends on them.
                for topic in (self._ready, self._assignments):
                    ends = {tp: offset for tp, offset in starts.items() if tp.topic == topic}
                    await self._read(ends, stopped)
                for partition, offset in starts.items():
                    self._consumer.seek(partition, offset)
        except BaseException:
            self._must_catch_up = True
            raise
        log.info("caught_up", active=self.active, visitors=len(self.staleness.visitors))

    async def _starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where to continue: at the committed offsets, or at the end of a topic without commits."""
        committed = {tp: await self._consumer.committed(tp) for tp in partitions}
        begun = {tp.topic for tp, offset in committed.items() if offset is not None}
        new = [tp for tp in committed if tp.topic not in begun]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(new) if new else {}
        if ends:
            await self._consumer.commit(ends)  # otherwise a restart before the first purge would begin later
        return {tp: offset or 0 for tp, offset in committed.items()} | ends

    async def _read(self, ends: dict[TopicPartition, int], stopped: Callable[[], bool]) -> None:
        """Read these partitions from their beginnings to these offsets, without purging."""
        if not ends or stopped() or self._must_catch_up:
            return
        await self._consumer.seek_to_beginning(*ends)
        async for fetched in read_to(self._consumer, ends, _POLL_MS):
            self._collect(fetched, Window())
            if stopped() or self._must_catch_up:
                break


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Notifies the reader of every change in the group."""

    def __init__(self, reader: ChangeReader) -> None:
        self._reader = reader

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        self._reader.assignment_changed()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        self._reader.assignment_changed()


def _key(record: _ConsumedRecord, form: re.Pattern[bytes]) -> str:
    if record.key is None or not form.fullmatch(record.key):
        raise MalformedRecord(f"a key of {record.topic} is not of the form {form.pattern.decode()}")
    return record.key.decode()


def _origin(record: _ConsumedRecord) -> Origin:
    size = len(record.key or b"") + len(record.value or b"")
    return Origin(record.topic, record.partition, record.offset, record.timestamp, record.key, size)
