"""The thread that owns the group connection: fetches batches and tracks group membership."""

import asyncio
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
from bannerstream.streams.batching.errors import REFUSALS
from bannerstream.streams.batching.fetch import FETCH_WAIT_MS, fetch_batches
from bannerstream.streams.batching.records import Batch

_REFUSED_RETRY_S = 5.0
"""How long a worker that was refused waits before it joins or fetches again."""

_SESSION_CONTINUES = {NoError.errno, RebalanceInProgressError.errno}
"""Responses to a current member; while the group rebalances it waits for us to rejoin."""


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with a fetch that returns batches and does not stall."""

    logger = logging.getLogger("faust.consumer")  # Faust would log under this module's name otherwise
    app: Any  # a `BatchApp`
    consumer: Any  # a `BatchConsumer`, which creates this thread
    _has_fetched = False

    async def on_start(self) -> None:
        """Connect and track the heartbeats."""
        self._sought: dict[TP, int] = {}
        """Offsets that partitions were sought back to, until the first batch from there arrives."""
        self._last_heartbeat_s = 0.0
        """When the last accepted heartbeat or SyncGroup request was sent; monotonic clock."""
        self._membership_invalid = False
        """A write was aborted since the partitions were assigned."""
        await super().on_start()
        consumer: Any = self._consumer
        self.app.on_connected(consumer)
        self._record_heartbeats(consumer._coordinator)  # noqa: SLF001
        self._report_refusals(consumer._coordinator)  # noqa: SLF001

    @overrides_private("aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group", "7bc230e3f4dc")
    async def on_thread_stop(self) -> None:
        """Leave the group, also as a static member: others take over immediately, not after the session timeout.

        aiokafka keeps static members in the group so that a quick restart gets its partitions back; but a worker that
        is stopped may not come back. A killed worker does not leave.
        """
        if self._consumer is not None and getattr(self._consumer, "_coordinator", None) is not None:
            self._consumer._coordinator._group_instance_id = None  # noqa: SLF001
        await super().on_thread_stop()

    def is_member(self) -> bool:
        """Return whether our partitions are certainly still ours: a heartbeat was accepted within the session timeout.

        A process that was paused or starved finds out here before it writes, not from the brokers afterwards.
        """
        session_timeout: float = self.app.conf.broker_session_timeout
        return not self._membership_invalid and time.monotonic() - self._last_heartbeat_s < session_timeout

    def confirm_membership(self) -> None:
        """Note that the group has assigned partitions to us; `_last_heartbeat_s` has the time of its response."""
        self._membership_invalid = False

    def invalidate_membership(self) -> None:
        """Rejoin the group, even if the group never noticed our absence, as after a broker restart.

        An aborted write may have arrived. Rejoining reads the changelogs before folding continues. A stopping worker
        leaves instead and writes nothing more.
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
        """Set `_last_heartbeat_s` on each response that extends our session."""
        send = coordinator._send_req  # noqa: SLF001

        async def send_and_record(request: Any) -> Any:
            sent_at_s = time.monotonic()
            response = await send(request)
            if isinstance(request, SyncGroupRequest | HeartbeatRequest) and response.error_code in _SESSION_CONTINUES:
                self._last_heartbeat_s = sent_at_s
            return response

        coordinator._send_req = send_and_record  # noqa: SLF001

    @overrides_private("aiokafka.consumer.group_coordinator:GroupCoordinator._push_error_to_user", "8dce53d5130d")
    def _report_refusals(self, coordinator: Any) -> None:
        """End the app, or log, when the group refuses us.

        aiokafka keeps such an error until its own `getmany` raises it, which `fetch_batches` does not call, and joins
        no group until then: the worker would wait in silence.
        """
        push = coordinator._push_error_to_user  # noqa: SLF001

        def report(error: BaseException) -> Any:
            if not isinstance(error, REFUSALS):
                return push(error)
            self._refused(error)
            return asyncio.wait([coordinator._closing], timeout=_REFUSED_RETRY_S)  # noqa: SLF001

        coordinator._push_error_to_user = report  # noqa: SLF001

    def _refused(self, error: BaseException) -> None:
        if self._has_fetched:
            self.log.warning("the brokers refuse this worker; trying again: %r", error)
        else:
            self.app.loop.call_soon_threadsafe(self.app.end, error)

    def seek_back(self, tp: TP, offset: int) -> None:
        """Seek, and let the first batch from there begin at `offset`: missing offsets are a hole in the log.

        Call it in this thread's loop. aiokafka drops records fetched before a seek.
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
        try:
            fetched = await fetch_batches(consumer, active_partitions, timeout or 0.0)
        except REFUSALS as error:
            self._refused(error)
            await asyncio.sleep(_REFUSED_RETRY_S if self._has_fetched else 0.0)
            return {}
        self._has_fetched = self._has_fetched or bool(fetched)
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
        consumer._isolation_level = "read_committed"  # noqa: SLF001  (skip records of aborted transactions)
        return consumer


class BatchScheduler:
    """Delivers batches one partition after another."""

    @overrides_private("faust.transport.utils:DefaultSchedulingStrategy.iterate", "565d0388d858")
    def iterate(self, records: Mapping[TP, Iterable[Batch]]) -> Iterator[tuple[TP, Batch]]:
        """Yield each batch with its partition. Batches are small, so no partition waits for long."""
        for tp, batches in records.items():
            for batch in batches:
                yield tp, batch
