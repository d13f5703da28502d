"""Faust's consumer, which delivers batches and commits only checkpointed offsets.

The stock consumer commits everything that left a stream, including messages skipped in a rebalance or dropped by an
agent that raised. This one commits only what the checkpointer has written.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode import Service
from mode.utils.futures import notify

from bannerstream.streams.batching.compat import overrides_private
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.positions import Positions
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.thread import BatchThread

UNDELIVERED_CHECK_S = 1.0
"""Interval of the check for batches that Faust skipped: such a batch waits for up to twice this long."""


class _NoReadOffsets(defaultdict[TP, int | None]):
    """Reports for every partition that nothing was read.

    Stock Faust drops records below the last offset that it delivered. A stale delivery around a rebalance leaves that
    offset too high, and records read again are lost. `Positions` checks the accepted offset instead.
    """

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __getitem__(self, tp: TP) -> None:
        return None


class BatchConsumer(driver.Consumer):
    """A consumer of batches whose committed offsets are those of `positions`."""

    logger = logging.getLogger("faust.consumer")  # Faust would log under this module's name otherwise
    app: Any  # a `BatchApp`
    _thread: BatchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.positions = Positions()
        super().__init__(*args, **kwargs)
        self._read_offset = _NoReadOffsets()

    def accept(self, batch: Batch) -> Batch | None:
        """Return the part of this batch to process, or None; a batch after a gap is fetched again.

        An accepted batch must end in `positions.apply` or `discard_uncommitted`.
        """
        if self.positions.has_gap(batch):
            self._refetch(batch.tp)
        return self.positions.accept(batch)

    def uncommitted(self, offsets: dict[TP, int]) -> dict[TP, int]:
        """Return the offsets that are ahead of the committed ones."""
        return {tp: offset for tp, offset in offsets.items() if offset > (self._committed_offset.get(tp) or 0)}

    def committed_in_round(self, offsets: dict[TP, int]) -> None:
        """Note that a transaction has committed these offsets."""
        self._committed_offset.update(offsets)
        self.app.monitor.on_tp_commit(offsets)

    def discard_uncommitted(self) -> None:
        """Accept and commit nothing until the partitions are assigned again: unwritten states were discarded."""
        self.positions.forget(self.positions.applied())

    def rejoin(self) -> None:
        """Rejoin the group and resume from the last commit; nothing is written until then."""
        self._thread.invalidate_membership()

    def is_member(self) -> bool:
        """Return whether the assigned partitions are certainly still ours; if not, nothing may be written."""
        return self._thread.is_member()

    def _refetch(self, tp: TP) -> None:
        offset = self.positions.next_offset(tp)
        if offset is not None:
            self._thread.thread_loop.call_soon_threadsafe(self._thread.seek_back, tp, offset)

    @Service.task
    async def _refetch_undelivered(self) -> None:
        """Seek back over what Faust's streams skipped while flow control was suspended in a rebalance."""
        before: dict[TP, int] = {}
        while not self.should_stop:
            await self.sleep(UNDELIVERED_CHECK_S)
            now = {} if self.app.rebalancing else self.positions.undelivered()
            for tp, offset in now.items():
                if before.get(tp) == offset:  # no progress since the last check; a wrong guess costs one fetch
                    self._refetch(tp)
            before = now

    @overrides_private("faust.transport.drivers.aiokafka:Consumer._to_message", "a2a5aefda42d")
    def _to_message(self, tp: TP, record: Batch) -> ConsumerMessage:
        """Return one message for a batch: its value is the batch, its offset the last that the batch covers."""
        self.positions.deliver(record)
        last_s = record.records[-1].timestamp / 1000 if record.records else 0.0
        value: Any = record
        return ConsumerMessage(
            tp.topic, tp.partition, record.end - 1, last_s, 0, [], None, value, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Confirm the membership and start the recovery of the tables."""
        self._thread.confirm_membership()
        await super().on_partitions_assigned(assigned, generation_id)

    @overrides_private("faust.transport.consumer:Consumer.perform_seek", "2b4ceebd23de")
    async def perform_seek(self) -> None:
        """Seek to the committed offsets and restart the positions there.

        Stock Faust does not seek a partition without a committed offset, which may be past records that were fetched
        and dropped; and records fetched after its seek may arrive before it returns. So the partitions are sought a
        second time, once the expected offsets are set.
        """
        await super().perform_seek()
        begin = {tp: self._committed_offset.get(tp) or 0 for tp in self.assignment() if not self._is_changelog_tp(tp)}
        self.positions.begin(begin)
        await self._thread.seek_wait(begin)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what is in flight while the partitions are still ours; then forget them."""
        try:
            await self.commit()
            await super().on_partitions_revoked(revoked)
            with suppress(WriteAborted):
                await self.app.checkpointer.flush()  # a later checkpoint would overwrite the next owner's states
        finally:
            self.positions.forget(revoked)

    @overrides_private("faust.transport.consumer:Consumer._commit_tps", "b83d551c3278")
    async def _commit_tps(self, tps: Iterable[TP], start_new_transaction: bool) -> bool:
        """Write every state that the offsets cover, then commit them. An aborted write commits nothing.

        A commit that the group refused, as in a rebalance, leaves the committed offsets as they were: the partition's
        next owner begins there, which may be this worker.
        """
        offsets: dict[TP, int] = self._filter_committable_offsets(tps)
        committed = False
        if offsets:
            try:
                await self.app.checkpointer.flush()
            except WriteAborted:
                return False
            if self.app.transactions is not None:
                committed = True  # by the rounds of the flush
            else:
                before = {tp: self._committed_offset[tp] for tp in offsets}
                committed = await self._commit_offsets(offsets, start_new_transaction=start_new_transaction)
                if not committed:
                    self._committed_offset.update(before)  # stock Faust takes a refused commit for done
        self.app.checkpointer.committed(self._committed_offset)
        return committed

    @overrides_private("faust.transport.consumer:Consumer._filter_tps_with_pending_acks", "cccdca32d241")
    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.positions.applied() if topics is None or tp in topics or tp.topic in topics)

    @overrides_private("faust.transport.consumer:Consumer._new_offset", "2b29afe4dd9a")
    def _new_offset(self, tp: TP) -> int | None:
        return self.positions.committable(tp)

    @overrides_private("faust.transport.consumer:Consumer.ack", "5548cf0f7584")
    def ack(self, message: Message) -> bool:
        """Note that the batch left its stream; this does not affect its offsets."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return True

    @overrides_private("faust.transport.consumer:Consumer._add_gap", "f1cc1db634f5")
    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing. Stock Faust counts offsets that it did not see as processed; a batch's range covers holes."""

    @overrides_private("faust.transport.consumer:Consumer.on_buffer_full", "edcee17978c4")
    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: the bounded queue already blocks the fetcher.

        Stock Faust removes the partition from the fetch and sleeps for a second when none is left.
        """

    @overrides_private("faust.transport.consumer:ThreadDelegateConsumer._new_consumer_thread", "fd87fb312fcc")
    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with this module's consumer."""

    Consumer = BatchConsumer
