"""What Faust's consumer must not do, overridden: see each method for the stock behaviour that would lose an event.

faust-streaming 0.15.3 and aiokafka 0.14.0 are pinned, because private attributes of both are used here. The stock
consumer commits what left a stream, which includes what was skipped in a rebalance and what an agent dropped by
raising; this one commits what was written.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode import Service
from mode.utils.futures import notify

from broker.pacing import pace

FETCH_WAIT_MS = 50
"""How long a broker may park a fetch that finds nothing.

Faust hard-codes 1,500. aiokafka keeps one fetch in flight per broker: while a partition's records wait to be drained,
the next fetch asks only for the others, and a quiet one parks it, and with it every partition, for that long.
"""

SKIPPED_CHECK_S = 1.0
"""How often it is looked for records that Faust skipped: they wait for up to twice this long."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a fetch that does not stall."""

    logger = logging.getLogger("faust.consumer")  # else Faust's own chatter would come under our name
    consumer: "AppliedConsumer"

    async def on_start(self) -> None:
        """Connect, and do not spin on a broker that does not park fetches."""
        self._next: dict[TP, int] = {}
        """Offset that comes next in each partition, unless it does not exist."""
        self._heard_at = 0.0
        """When the last heartbeat was sent that the group answered, by the monotonic clock."""
        await super().on_start()
        consumer: Any = self._consumer
        pace(consumer)
        self._note_heartbeats(consumer._coordinator)  # noqa: SLF001

    def is_member(self) -> bool:
        """Tell whether the group cannot have given our partitions away: it heard of us within the session timeout.

        A process that was paused, or starved, finds out here before it writes, and not from the brokers afterwards.
        """
        return time.monotonic() - self._heard_at < self.app.conf.broker_session_timeout

    def joined(self) -> None:
        """Note that the group has just given us partitions."""
        self._heard_at = time.monotonic()

    def _note_heartbeats(self, coordinator: Any) -> None:
        """Wrap `aiokafka.consumer.group_coordinator.GroupCoordinator._do_heartbeat`, as of aiokafka 0.14.0."""
        beat = coordinator._do_heartbeat  # noqa: SLF001

        async def noted() -> bool:
            sent_at = time.monotonic()
            heard: bool = await beat()
            if heard:
                self._heard_at = sent_at
            return heard

        coordinator._do_heartbeat = noted  # noqa: SLF001

    def seek_again(self, tp: TP, offset: int) -> None:
        """Seek, and note that whatever comes first from there leaves a hole in the log before it."""
        self.seek(tp, offset)
        self._next[tp] = offset

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Mapping[TP, list[Any]]:
        """Fetch, and tell the consumer which offsets were passed over because they do not exist.

        aiokafka drops what it fetched from before a seek, so one list follows the other without a gap, and so do the
        records in them; where offsets are missing, the log lacks them (retention, compaction, transaction markers).
        """
        fetched = await super()._fetch_records(*args, **kwargs)
        for tp, records in fetched.items():
            following = self._next.get(tp, records[0].offset)
            for record in records:
                if record.offset > following:
                    self.consumer.missing(tp, following, record.offset)
                following = record.offset + 1
            self._next[tp] = following
        return fetched

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  (set before start; the fetcher reads it there)
        return consumer


class _NoReadOffsets(defaultdict[TP, int | None]):
    """Says of every partition that nothing was read.

    Stock Faust drops records below the last offset that it delivered; a stale delivery around a rebalance leaves that
    mark too high, and the records that are then read again are lost. `accept` guards by what was applied instead.
    """

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __getitem__(self, tp: TP) -> None:
        return None


class AppliedConsumer(driver.Consumer):
    """A consumer whose committed offsets are those that `applied` was called with, and nothing else."""

    logger = logging.getLogger("faust.consumer")  # else Faust's own chatter would come under our name
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._applied: dict[TP, int] = {}
        """Next offset after what is written: what may be committed."""
        self._accepted: dict[TP, int] = {}
        """Next offset to take; 0 before any commit. A partition that is not here is not ours, or not sought yet."""
        self._refused: dict[TP, int] = {}
        """First offset of a jump that was refused: what comes after it was fetched before the partition was sought."""
        self._missing: dict[TP, dict[int, int]] = {}
        """Holes of each log that lie ahead: where they begin, and the first offset after them."""
        self._delivered: dict[TP, int] = {}
        """Next offset that Faust would hand over, whether or not the last ones reached `accept`."""
        super().__init__(*args, **kwargs)
        self._read_offset = _NoReadOffsets()

    def accept(self, tp: TP, offset: int) -> bool:
        """Return whether this record continues what was accepted before it; if not, it is to be dropped.

        Faust resumes partitions before it seeks them after a recovery, and its streams skip records in a rebalance, so
        records of another position can arrive. A jump ahead over offsets that exist is refused and the partition sought
        back, as often as it takes. Whoever accepts must end with `applied` or with `give_back`.
        """
        if tp not in self._accepted:
            return False
        wanted = self._accepted[tp]
        if offset > wanted and self._missing.get(tp, {}).get(wanted) != offset:
            if offset <= self._refused.get(tp, offset):
                self._refused[tp] = offset
                self._thread.thread_loop.call_soon_threadsafe(self._thread.seek_again, tp, wanted)
            return False
        self._refused.pop(tp, None)
        self._missing.get(tp, {}).pop(wanted, None)
        self._accepted[tp] = max(offset + 1, wanted)
        return True

    def missing(self, tp: TP, begin: int, end: int) -> None:
        """Note that the log of a partition has no offsets from `begin` to `end`, exclusive. Called by the thread."""
        if not self._is_changelog_tp(tp):
            self._missing.setdefault(tp, {})[begin] = end

    def applied(self, tp: TP, next_offset: int) -> None:
        """Say that all below `next_offset` is written and acknowledged: it may be committed."""
        if tp in self._accepted:
            self._applied[tp] = max(next_offset, self._applied[tp])

    def give_back(self, tps: Iterable[TP]) -> None:
        """Say that what was accepted of these partitions was not applied: it has to come again."""
        for tp in tps:
            if tp in self._accepted:
                self._accepted[tp] = self._applied[tp]

    def skipped(self) -> dict[TP, int]:
        """Return partitions of which records were handed over that never came to `accept`, with where to read again.

        Faust's streams skip what arrives while flow control is suspended in a rebalance, even after the seek that ends
        it. The next record of the partition would show it (`accept` refuses the jump), but there may be none for long.
        """
        if any(self._applied[tp] < accepted for tp, accepted in self._accepted.items()):
            return {}  # a batch is under way: what was handed over is waiting for it
        return {tp: accepted for tp, accepted in self._accepted.items() if self._delivered.get(tp, 0) > accepted}

    @Service.task
    async def _read_skipped_again(self) -> None:
        before: dict[TP, int] = {}
        while not self.should_stop:
            await self.sleep(SKIPPED_CHECK_S)
            now = {} if self.app.rebalancing else self.skipped()
            for tp, offset in now.items():
                if before.get(tp) == offset:  # no progress since the last look; a wrong guess costs replays only
                    self._thread.thread_loop.call_soon_threadsafe(self._thread.seek_again, tp, offset)
            before = now

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        self._delivered[tp] = record.offset + 1
        return super()._to_message(tp, record)

    def is_member(self) -> bool:
        """Tell whether the partitions that we were given are surely still ours: if not, nothing may be written."""
        return self._thread.is_member()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note that the group knows us, and let Faust recover."""
        self._thread.joined()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, and begin anew there.

        Stock Faust leaves a partition without a committed offset where it stands, which may be behind records that were
        fetched before this and dropped; and what is fetched after its seek may arrive before it returns. So the
        partitions are sought once more when `accept` knows what to expect.
        """
        await super().perform_seek()
        begin = {tp: self._committed_offset.get(tp) or 0 for tp in self.assignment() if not self._is_changelog_tp(tp)}
        for tp, offset in begin.items():
            self._forget(tp)
            self._accepted[tp] = self._applied[tp] = offset
        await self._thread.seek_wait(begin)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let what is under way end and commit it, while the partitions are still ours; then forget them."""
        try:
            await self.commit()
            await super().on_partitions_revoked(revoked)
        finally:
            for tp in revoked:
                self._forget(tp)
                self._delivered.pop(tp, None)

    def _forget(self, tp: TP) -> None:
        for offsets in (self._applied, self._accepted, self._refused):
            offsets.pop(tp, None)
        self._missing.pop(tp, None)

    def ack(self, message: Message) -> bool:
        """Note that the message left its stream. That says nothing about its offset."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._applied) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._applied.get(tp) or None  # 0 would be committed over nothing

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Stock Faust counts offsets that it did not see as processed; here only `applied` counts."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class Transport(driver.Transport):
    """Faust's aiokafka transport with this module's consumer."""

    Consumer = AppliedConsumer
