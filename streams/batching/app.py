"""A Faust app whose agents receive batches and whose one table is write-behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bannerstream.streams.batching.bulk_producer import BulkProducer, Write
from bannerstream.streams.batching.changelog_reader import ChangelogReader
from bannerstream.streams.batching.checkpointer import Checkpoint, Checkpointer
from bannerstream.streams.batching.compat import check_versions, overrides_private
from bannerstream.streams.batching.consumer import BatchConsumer, BatchTransport
from bannerstream.streams.batching.records import Batch
from bannerstream.streams.batching.recovery import BatchTableManager
from bannerstream.streams.batching.state_store import StateStore
from bannerstream.streams.batching.store import MAX_DECODED
from bannerstream.streams.batching.table import WriteBehindTable
from bannerstream.streams.batching.thread import BatchScheduler
from bannerstream.streams.batching.topic import BatchTopic
from bannerstream.streams.batching.transactions import Transactions

QUEUED_BATCHES = 8
"""Batches fetched ahead per stream."""

OPTIONS: dict[str, Any] = {
    "ConsumerScheduler": BatchScheduler,
    "Topic": BatchTopic,
    "TableManager": BatchTableManager,
    "stream_buffer_maxsize": QUEUED_BATCHES,
    "consumer_auto_offset_reset": "earliest",
    "store": "memory://",
    "topic_disable_leader": True,
    "stream_recovery_delay": 0.0,
    "stream_wait_empty": True,
    "web_enabled": False,
    "HttpClient": object,  # no app of batches has one, and the default imports aiohttp when the app is configured
    "autodiscover": False,
}
"""Faust settings that batching requires or prefers."""


class BatchApp(faust.App):
    """A Faust app of batches. Create its one table with `write_behind`, then iterate `batches(stream)` in its agent.

    `connect_producer` and `connect_reader` return started aiokafka clients: an idempotent producer with acks=all, and a
    consumer without a group that reads committed. `connect_transactional`, if given, returns a started producer with
    the transactional id that it receives; states, effects and offsets are then written in transactions where the
    brokers have them. `on_connected` receives the group's consumer once it is connected.
    """

    logger = logging.getLogger("faust.app")  # Faust would log under this module's name otherwise
    checkpointer: Checkpointer[Any]
    changelog_reader: ChangelogReader

    def __init__(
        self,
        name: str,
        *,
        connect_producer: Callable[[], Awaitable[AIOKafkaProducer]],
        connect_reader: Callable[[], Awaitable[AIOKafkaConsumer]],
        connect_transactional: Callable[[str], Awaitable[AIOKafkaProducer]] | None = None,
        on_connected: Callable[[AIOKafkaConsumer], None] = lambda _: None,
        **options: Any,
    ) -> None:
        super().__init__(name, **OPTIONS | options)
        self.on_connected = on_connected
        self.ended = asyncio.Event()
        self.bulk_producer = BulkProducer(connect_producer, self._may_write, self.end)
        self._connect_reader = connect_reader
        self._connect_transactional = connect_transactional
        self.transactions: Transactions | None = None
        """Set by the start, where the brokers have transactions."""
        self.written: WriteBehindTable

    def write_behind(
        self,
        name: str,
        open_states: Callable[[int], StateStore],
        *,
        publish: Callable[[Sequence[Any]], Awaitable[Sequence[Write]]],
        publish_first: Callable[[Sequence[Any]], Awaitable[Sequence[Write]]] | None = None,
        published: Callable[[Sequence[Any]], None] = lambda _: None,
        max_decoded: int = MAX_DECODED,
        on_checkpoint: Callable[[Checkpoint], None] = lambda _: None,
    ) -> WriteBehindTable:
        """Create the app's table and the checkpointer that writes it.

        `open_states` opens the store of a partition's states: `decoded_states(codec)`, or your own. `publish` returns
        the records that publish the effects of several batches, and so does `publish_first`; `published` is called once
        they are written (see `Checkpointer`). A store may keep `max_decoded` clean states in memory that it can do
        without.
        """
        self.written = table = WriteBehindTable(self, name=name, open_states=open_states, max_decoded=max_decoded)
        self.tables.add(table)
        self.changelog_reader = ChangelogReader(self._connect_reader, table.partitions_here, self.end)
        self.checkpointer = Checkpointer(
            table.partitions_here,
            table.changelog_topic_name,
            self.bulk_producer,
            publish,
            lambda: self.batch_consumer,
            on_defect=self.crash,
            publish_first=publish_first,
            published=published,
            on_checkpoint=on_checkpoint,
            beacon=self.beacon,
        )
        return table

    @property
    def batch_consumer(self) -> BatchConsumer:
        """Return the consumer by its real type."""
        consumer = self.consumer
        assert isinstance(consumer, BatchConsumer)  # created by `_new_transport`
        return consumer

    async def batches(self, stream: Any) -> Any:
        """Yield (batch, partition of the table) for each message of a stream; fold it, then submit it.

        Waits while the checkpointer is full. Do not await anything between the yield and `checkpointer.submit`.
        """
        async for event in stream.events():
            await self.checkpointer.wait_for_capacity()
            batch: Batch | None = self.batch_consumer.accept(event.value)
            if batch is not None:
                yield batch, self.partition(batch)

    def end(self, reason: BaseException) -> None:
        """End the worker for a reason that its operator has to mend: `ended` is set, and `crash_reason`.

        As `crash`, but without a traceback in the log, and the services under this one stop in their order.
        """
        if self.crash_reason is None:
            self.crash_reason = reason
            self.ended.set()

    def _may_write(self) -> bool:
        return self.batch_consumer.is_member()

    def partition(self, batch: Batch) -> Any:
        """Return the store that `open_states` opened for the partition that holds this batch's keys."""
        return self.written.partitions_here[batch.tp.partition]

    async def on_start(self) -> None:
        """Check library versions and connect the producer; then start Faust."""
        check_versions()
        await self.bulk_producer.start()
        self._use_transactions()
        await self.add_runtime_dependency(self.checkpointer)
        await super().on_start()

    def _use_transactions(self) -> None:
        if self._connect_transactional is None:
            return
        if self.bulk_producer.has_transactions():
            self.transactions = Transactions(self._connect_transactional, self.conf.id)
            self.checkpointer.use(self.transactions)
            self.log.info("states, effects and offsets are written in transactions: exactly once")
        else:
            self.log.warning("the brokers have no transactions: after a crash, effects may be written twice")

    async def on_stop(self) -> None:
        """Write and commit what is in flight, unless the brokers refuse it; then leave the group."""
        self.bulk_producer.stop_retrying()
        if self.transactions is not None:
            self.transactions.stop_retrying()
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Disconnect after everything has stopped."""
        await super().on_shutdown()
        await self.bulk_producer.close()
        if self.transactions is not None:
            await self.transactions.close()

    @overrides_private("faust.app.base:App._on_agent_error", "85c4398d6373")
    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        """End the worker: stock Faust would continue with the next batch and skip the one the agent dropped."""
        del agent
        await self.crash(exc)

    @overrides_private("faust.app.base:App._create_directories", "11b6b0b79e31")
    def _create_directories(self) -> None:
        self.conf.tabledir.mkdir(parents=True, exist_ok=True)  # the stock method fails without the parents

    @overrides_private("faust.app.base:App._new_transport", "11beddacb9fe")
    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)
