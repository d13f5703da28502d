"""The thread that owns the connection to the group: fetches batches, and knows whether the group still knows us."""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import aiokafka
from aiokafka.errors import NoError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bannerstream.streams.batching.compat import overrides_private
from bannerstream.streams.batching.fetch import FETCH_WAIT_MS, fetch_batches
from bannerstream.streams.batching.records import Batch

_SESSION_GOES_ON = {NoError.errno, RebalanceInProgressError.errno}
"""Answers of a group that knows us; while it rebalances it waits for us to join again."""


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with a fetch that brings batches and does not stall."""

    logger = logging.getLogger("faust.consumer")  # else Faust's own chatter would come under our name
    app: Any  # a `BatchApp`
    consumer: Any  # a `BatchConsumer`, which makes this thread

    async def on_start(self) -> None:
        """Connect, and listen to the heartbeats."""
        self._sought: dict[TP, int] = {}
        """Where partitions were sought back to, until the first batch from there."""
        self._last_heartbeat_s = 0.0
        """When the last heartbeat, or wish to have partitions, was sent that the group granted; monotonic clock."""
        self._membership_invalid = False
        """A write was given up since the partitions were given to us."""
        await super().on_start()
        consumer: Any = self._consumer
        self.app.on_connected(consumer)
        self._record_heartbeats(consumer._coordinator)  # noqa: SLF001

    @overrides_private("aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group", "7bc230e3f4dc")
    async def on_thread_stop(self) -> None:
        """Leave the group, also as a static member: others take over at once instead of after the session timeout.

        aiokafka does not let static members leave, because one that restarts soon gets its partitions back; but a
        worker that is asked to stop may be one that is not wanted any more. One that was killed has not left.
        """
        if self._consumer is not None and getattr(self._consumer, "_coordinator", None) is not None:
            self._consumer._coordinator._group_instance_id = None  # noqa: SLF001
        await super().on_thread_stop()

    def is_member(self) -> bool:
        """Tell whether the group cannot have given our partitions away: it heard of us within the session timeout.

        A process that was paused, or starved, finds out here before it writes, and not from the brokers afterwards.
        """
        session_timeout: float = self.app.conf.broker_session_timeout
        return not self._membership_invalid and time.monotonic() - self._last_heartbeat_s < session_timeout

    def confirm_membership(self) -> None:
        """Note that the group has given us partitions. When it did so, its answer has told."""
        self._membership_invalid = False

    def invalidate_membership(self) -> None:
        """Join the group anew, although it may never have noticed that we were away: a broker that restarts has not.

        A write that was given up may have arrived. Joining has the changelogs read before anything is folded on. A
        worker that is stopping leaves instead: nothing is written any more.
        """
        if not self._membership_invalid:
            self._membership_invalid = True
            if not self.app.should_stop:
                self.thread_loop.call_soon_threadsafe(self._request_rejoin)

    @overrides_private("aiokafka.consumer.group_coordinator:GroupCoordinator.request_rejoin", "961f77b4398b")
    def _request_rejoin(self) -> None:
        if self._consumer is not None:
            self._consumer._coordinator.request_rejoin()  # noqa: SLF001

    @overrides_private("aiokafka.consumer.group_coordinator:GroupCoordinator._send_req", "ca4ba17474e1")
    def _record_heartbeats(self, coordinator: Any) -> None:
        """Have `_last_heartbeat_s` set by each answer with which the group prolongs our session."""
        send = coordinator._send_req  # noqa: SLF001

        async def noted(request: Any) -> Any:
            sent_at = time.monotonic()
            answer = await send(request)
            if isinstance(request, SyncGroupRequest | HeartbeatRequest) and answer.error_code in _SESSION_GOES_ON:
                self._last_heartbeat_s = sent_at
            return answer

        coordinator._send_req = noted  # noqa: SLF001

    def seek_back(self, tp: TP, offset: int) -> None:
        """Seek, and let the first batch from there begin at `offset`: what lies between is a hole in the log.

        To be called in this thread's loop. aiokafka drops what was fetched before a seek.
        """
        self.seek(tp, offset)
        self._sought[tp] = offset

    @overrides_private("faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._fetch_records", "9e7369fc572d")
    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: Collection[TP] | None,
        timeout: float | None = None,  # noqa: ASYNC109  (the stock signature)
        max_records: int | None = None,
    ) -> Mapping[TP, list[Batch]]:
        del max_records
        if not self.consumer.flow_active:
            return {}
        fetched = await fetch_batches(consumer, active_partitions, timeout or 0.0)
        return {tp: list(self._without_hole(batch).slices()) for tp, batch in fetched.items()}

    def _without_hole(self, batch: Batch) -> Batch:
        begin = self._sought.pop(batch.tp, batch.begin)
        return batch if begin >= batch.begin else Batch(batch.tp, begin, batch.end, batch.records)

    @overrides_private(
        "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_worker_consumer", "c179c0bdb975"
    )
    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  (set before start; the fetcher reads it there)
        consumer._isolation_level = "read_committed"  # noqa: SLF001  (what a transaction aborted never happened)
        return consumer


class BatchScheduler:
    """Hands over batch by batch, one partition after the other."""

    @overrides_private("faust.transport.utils:DefaultSchedulingStrategy.iterate", "565d0388d858")
    def iterate(self, records: Mapping[TP, Iterable[Batch]]) -> Iterator[tuple[TP, Batch]]:
        """Yield each batch with its partition. Batches are cut small, so no partition waits for long."""
        for tp, batches in records.items():
            for batch in batches:
                yield tp, batch
