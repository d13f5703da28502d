"""Applies `banner.assignments` and `banner.ready` to the tables: reads both to their ends, then follows them.

Reads both topics from their beginnings without a consumer group and commits nothing. Their relative order does not
matter: an assignment waits for its banner.
"""

import asyncio
import re
import time
from typing import Any

import structlog
from aiokafka import TopicPartition

from bannerstream.broker.connection import broker_errors
from bannerstream.broker.errors import REFUSALS
from bannerstream.broker.tail import Backlog, partitions_of, reading
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ConfigurationError, InvalidRecord, MalformedRecord, ServiceUnavailable
from bannerstream.contracts.messages import Assignment, BannerReady
from bannerstream.edge.connections import Hub
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.resolver import BannerResolver
from bannerstream.edge.sharding import Shard
from bannerstream.edge.visitor_table import BannerTable, VisitorTable
from bannerstream.service.retry import LONGEST_WAIT_S, Backoff
from bannerstream.settings import KafkaSettings

_log = structlog.get_logger(__name__)

FETCH_BYTES = 4_194_304
"""Bytes per fetch and partition: a million assignments take about 80 fetches."""

SLICE = 2_000
"""Records applied before the event loop gets a turn: about 10 ms, so that requests are served meanwhile."""

_AT_ONCE = 20_000
"""Records decoded at a time: about 15 MB. All fetched bytes of all partitions together can be 200 MB."""

_POLL_MS = 200

_PROVEN_POLLS = 5
"""Polls after which the brokers are known to let this node read: a refused fetch shows at one of the next polls, at the
latest after the 500 ms for which a broker holds a fetch that finds nothing."""

_USER_KEY = re.compile(rb"[0-9a-f]{32}")
_BANNER_KEY = re.compile(rb"[0-9a-f]{64}")


class TopicFollower:
    """Applies both topics to the tables and wakes the live streams concerned. `run` never ends by itself."""

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        shard: Shard,
        banners: BannerTable,
        visitors: VisitorTable,
        resolver: BannerResolver,
        hub: Hub,
        metrics: EdgeMetrics,
    ) -> None:
        topics = kafka.topic_table()
        self._kafka = kafka
        self._shard = shard
        self._assignments = topics.assignments.name
        self._ready = topics.ready.name
        self._banners = banners
        self._visitors = visitors
        self._resolver = resolver
        self._hub = hub
        self._metrics = metrics
        self._next: dict[TopicPartition, int] = {}
        self._changed_banners: set[int] = set()
        self._changed_cohorts: set[str | None] = set()
        self._polls = 0
        self.caught_up = asyncio.Event()
        """Set once everything that the topics held at the start is applied."""

    async def run(self) -> None:
        """Follow until cancelled. Waits out outages; once it has read, refused access too: rights may be changing.

        Raises:
            CertificateRefused, CredentialsRefused, RightMissing: the brokers refuse this node from its start.
        """
        backoff = Backoff()
        while True:
            started_s = time.monotonic()
            try:
                await self._follow()
            except (ServiceUnavailable, ConfigurationError) as error:
                if isinstance(error, REFUSALS) and self._polls < _PROVEN_POLLS:
                    raise
                if time.monotonic() - started_s > LONGEST_WAIT_S:
                    backoff.reset()
                self._metrics.view_restarts.inc()
                _log.warning("view_waiting", error=str(error))
            await asyncio.sleep(backoff.next_s())

    async def _follow(self) -> None:
        partitions = await partitions_of(self._kafka, self._ready, self._assignments)
        async with reading(
            self._kafka,
            partitions,
            self._next,
            client_id="bannerstream-edge",
            max_partition_fetch_bytes=FETCH_BYTES,
        ) as consumer:
            with broker_errors(self._kafka):
                backlog = Backlog(consumer, await consumer.end_offsets(partitions))
                while True:
                    await self._check_caught_up(backlog)
                    fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
                    self._polls += 1
                    for partition, records in fetched.items():
                        await self._apply(partition, records)

    async def _check_caught_up(self, backlog: Backlog) -> None:
        if not self.caught_up.is_set() and await backlog.is_read():
            self.caught_up.set()
            self._update_gauges()
            _log.info("view_caught_up", visitors=len(self._visitors), banners=self._banners.ready_count)

    async def _apply(self, partition: TopicPartition, records: list[Any]) -> None:
        apply = self._apply_ready if partition.topic == self._ready else self._apply_assignment
        for start in range(0, len(records), SLICE):
            for record in records[start : start + SLICE]:
                try:
                    apply(record.key or b"", record.value)
                except (InvalidRecord, OverflowError) as error:
                    self._skip(record, error)
            self._notify_watchers()
            await asyncio.sleep(0)
        self._next[partition] = records[-1].offset + 1
        if self.caught_up.is_set():
            self._update_gauges()
            lag = max(0.0, time.time() - records[-1].timestamp / 1000)
            self._metrics.view_lag.labels("ready" if partition.topic == self._ready else "assignments").observe(lag)

    def _apply_assignment(self, key: bytes, value: bytes | None) -> None:
        user_key = _decode_key(key, _USER_KEY)
        if not self._shard.holds(user_key):
            return
        if value is None:
            if self._visitors.erase(user_key):
                self._hub.close_erased(user_key)
        elif self._visitors.assign(user_key, decode(value, Assignment)):
            self._hub.notify(user_key)

    def _apply_ready(self, key: bytes, value: bytes | None) -> None:
        banner_key = _decode_key(key, _BANNER_KEY)
        if value is None:
            if (withdrawn := self._banners.withdraw(banner_key)) is not None:
                number, cohort = withdrawn
                self._note_change(number)
                self._changed_cohorts.add(cohort)
            return
        ready = decode(value, BannerReady)
        default = self._banners.default_of(ready.cohort_id)
        number, changed = self._banners.announce(ready)
        for user_key in self._visitors.settle(number):
            self._hub.notify(user_key)
        if changed:
            self._note_change(number)
        # An unchanged banner that is announced again becomes its cohort's default again.
        if changed or self._banners.default_of(ready.cohort_id) != default:
            self._changed_cohorts.add(ready.cohort_id)

    def _note_change(self, number: int) -> None:
        self._resolver.changed(number)
        self._changed_banners.add(number)

    def _notify_watchers(self) -> None:
        """Wake all streams that show a changed banner, be it the visitor's own or a default.

        Runs once for a slice, not for each record, because it visits every connected visitor.
        """
        if not self._changed_banners and not self._changed_cohorts:
            return
        for user_key in self._hub.visitors():
            if self._resolver.touches(user_key, self._changed_banners, self._changed_cohorts):
                self._hub.notify(user_key)
        self._changed_banners.clear()
        self._changed_cohorts.clear()

    def _skip(self, record: Any, error: Exception) -> None:
        self._metrics.skipped.inc()
        _log.warning(
            "record_skipped", topic=record.topic, partition=record.partition, offset=record.offset, reason=str(error)
        )

    def _update_gauges(self) -> None:
        self._metrics.visitors.set(len(self._visitors))
        self._metrics.ready_banners.set(self._banners.ready_count)


def _decode_key(key: bytes, pattern: "re.Pattern[bytes]") -> str:
    if pattern.fullmatch(key) is None:
        raise MalformedRecord(f"the record's key is not of the form {pattern.pattern.decode()}")
    return key.decode()
