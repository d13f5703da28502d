"""Recovery after a rebalance: read the changelogs to their end, seek the event partitions, and only then resume them.

Replaces Faust's steps between `on_partitions_assigned` and "Worker ready". Faust reads changelogs through the group's
consumer and an event queue, counts offsets record by record, and resumes events before it seeks them. With several
workers that lost records, and once it waited for ever for a changelog record that had already been skipped.
"""

import asyncio
import logging
import time
from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode import Service

from bannerstream.streams.batching.changelog_reader import ChangelogReader
from bannerstream.streams.batching.compat import overrides_private

_log = logging.getLogger("bannerstream.streams.batching")


class BatchRecovery(Recovery):
    """Reads changelogs with a `ChangelogReader`: active partitions to their end, standbys continuously."""

    logger = logging.getLogger("faust.tables")
    app: Any  # a `BatchApp`
    _following: "asyncio.Task[None] | None" = None

    @Service.task
    @overrides_private("faust.tables.recovery:Recovery._restart_recovery", "f93138b040ef")
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start.wait()):
                break
            self.signal_recovery_start.clear()
            try:
                await self._recover(self._generation_id)
            except RebalanceAgain:
                continue
            except ServiceStopped:
                break

    async def _recover(self, generation_id: int) -> None:
        self._set_recovery_started()
        await self._stop_following()
        started = time.monotonic()
        reader: ChangelogReader = self.app.changelog_reader
        actives = set(self.active_tps)
        if self.app.transactions is not None:  # before anything is read: this ends what a former owner left open
            await self._wait(self.app.transactions.open({tp.partition for tp in actives}))
            if self.app.consumer_generation_id != generation_id:
                return
        await self._wait(reader.read_to_end(actives))
        if self.app.consumer_generation_id != generation_id:
            return  # another rebalance has begun and restarts the recovery
        _log.info(
            "read the changelog of %d partitions in %.2f s: %d states",
            len(actives), time.monotonic() - started, sum(map(len, self.tables.values())),
        )  # fmt: skip
        if standbys := self.standby_tps - actives:
            self._following = asyncio.create_task(reader.follow(set(standbys)))
            self._following.add_done_callback(_log_failure)
        await self.on_recovery_completed(generation_id)

    @overrides_private("faust.tables.recovery:Recovery.on_recovery_completed", "895e7c415a4d")
    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Seek the events to the committed offsets, then resume them. Stock Faust resumes them first."""
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        events = {tp for tp in consumer.assignment() if not self._is_changelog_tp(tp)}
        if events:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        if app.consumer_generation_id != generation_id:
            return
        consumer.resume_partitions(events)
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001  (as the stock method does)
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        _log.info("folding %d partitions", len(events))

    async def on_stop(self) -> None:
        """Stop following the standbys, too."""
        await self._stop_following()
        await super().on_stop()

    async def _stop_following(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.wait({following})

    @Service.task
    @overrides_private("faust.tables.recovery:Recovery._slurp_changelogs", "7e3120dad754")
    async def _slurp_changelogs(self) -> None:
        """Do nothing: the group's consumer does not read changelogs."""

    @Service.task
    @overrides_private("faust.tables.recovery:Recovery._publish_stats", "099a124a57bf")
    async def _publish_stats(self) -> None:
        """Do nothing: it warns about missing changelog events, which never arrive here."""

    def flush_buffers(self) -> None:
        """Do nothing: there are none."""

    def add_active(self, table: Any, tp: TP) -> None:
        """Note an active changelog partition."""
        self.active_tps.add(tp)
        self.actives_for_table[table].add(tp)

    def add_standby(self, table: Any, tp: TP) -> None:
        """Note a standby changelog partition."""
        self.standby_tps.add(tp)
        self.standbys_for_table[table].add(tp)


def _log_failure(following: "asyncio.Task[None]") -> None:
    if not following.cancelled() and (error := following.exception()) is not None:
        _log.error("standbys are no longer updated until the next rebalance: %r", error)


class BatchTableManager(TableManager):
    """Faust's table manager with this module's recovery."""

    logger = logging.getLogger("faust.tables")
    _recovery: BatchRecovery | None = None

    @property
    @overrides_private("faust.tables.manager:TableManager.recovery", "9e5e10447444")
    def recovery(self) -> BatchRecovery:
        """Return the recovery service."""
        if self._recovery is None:
            self._recovery = BatchRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    @overrides_private("faust.tables.manager:TableManager.on_start", "b82e759be50c")
    async def on_start(self) -> None:
        """Start immediately: the stock method sleeps for a second first."""
        await self._update_channels()
        await self.recovery.start()
