"""Reads changelogs: to their end for active partitions, continuously for standbys.

Faust reads changelogs record by record through the consumer of the events, subject to the same rebalances, pauses and
seeks. A separate reader outside the group avoids those races and reads a batch at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from bannerstream.streams.batching.errors import REFUSALS
from bannerstream.streams.batching.fetch import fetch_batches
from bannerstream.streams.batching.store import Partitions

_log = logging.getLogger("bannerstream.streams.batching")

FETCH_TIMEOUT_S = 0.2
"""How long one fetch waits for new records; it bounds how long a change of partitions takes."""

RETRY_S = 0.5


class ChangelogReader:
    """Reads the changelog into `partitions`, each from its stored offset; `connect` returns a started consumer.

    `on_refused` gets the error when the brokers refuse the changelog before they have let us read it.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AIOKafkaConsumer]],
        partitions: Partitions[Any],
        on_refused: Callable[[KafkaError], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self._partitions = partitions
        self._on_refused = on_refused
        self._has_read = False

    async def read_to_end(self, tps: Collection[TP]) -> None:
        """Apply everything that these changelog partitions hold now. Retries during an outage.

        Cancelling keeps what was applied so far; the next call continues from there.
        """
        await self._reading(tps, follow=False)

    async def follow(self, tps: Collection[TP]) -> None:
        """Apply everything that these partitions hold and receive, until cancelled."""
        await self._reading(tps, follow=True)

    async def _reading(self, tps: Collection[TP], *, follow: bool) -> None:
        while tps:
            try:
                consumer = await self._connect()
                try:
                    await self._read(consumer, [TopicPartition(*tp) for tp in tps], follow=follow)
                    self._has_read = True
                    return
                finally:
                    await consumer.stop()
            except KafkaError as error:
                if isinstance(error, REFUSALS) and not self._has_read:
                    self._on_refused(error)
                _log.warning("cannot read the changelog; retrying: %r", error)
                await asyncio.sleep(RETRY_S)

    async def _read(self, consumer: AIOKafkaConsumer, tps: list[Any], *, follow: bool) -> None:
        consumer.assign(tps)
        begins: dict[Any, int] = await consumer.beginning_offsets(tps)
        ends: dict[Any, int] = await consumer.end_offsets(tps)
        behind, here = set(), {}
        for tp in tps:
            start = self._start(tp.partition, begins[tp], ends[tp])
            consumer.seek(tp, start)
            here[tp.partition] = self._partitions.find(tp.partition)
            if start < ends[tp]:
                behind.add(tp)
        while behind or follow:
            for tp, batch in (await fetch_batches(consumer, None, FETCH_TIMEOUT_S)).items():
                # A partition revoked meanwhile would be created again and start in the middle of its changelog.
                if self._partitions.find(tp.partition) is here[tp.partition]:
                    changes = [(record.key or b"", record.value) for record in batch.records]
                    self._partitions.apply(tp.partition, changes, batch.end)
                if batch.end >= ends[TopicPartition(*tp)]:
                    behind.discard(TopicPartition(*tp))
            await asyncio.sleep(0)

    def _start(self, partition: int, begin: int, end: int) -> int:
        """Return the offset to read from. Drops states that reach past the changelog's end: it was recreated."""
        reached: int | None = self._partitions[partition].reached()
        if reached is None:
            return begin
        if reached > end:
            _log.warning("partition %d: the states reach past the end of the changelog; reading it again", partition)
            self._partitions[partition].clear()
            return begin
        return max(reached, begin)
