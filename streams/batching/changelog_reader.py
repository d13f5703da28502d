"""Reading changelogs: to their end for partitions that this worker takes over, on and on for those it stands by for.

Faust reads changelogs through the consumer that reads the events, record by record, in the same rebalances, pauses and
seeks. A reader of its own, outside the group, has none of that to race with, and takes a batch at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from bannerstream.streams.batching.fetch import fetch_batches
from bannerstream.streams.batching.store import Partitions

_log = logging.getLogger("bannerstream.streams.batching")

FETCH_TIMEOUT_S = 0.2
"""How long one look for new records lasts; it bounds how long a change of partitions takes."""

RETRY_S = 0.5


class ChangelogReader:
    """Reads the changelog of `partitions`, each from where it stands; `connect` returns a started consumer."""

    def __init__(self, connect: Callable[[], Awaitable[AIOKafkaConsumer]], partitions: Partitions[Any]) -> None:
        self._connect = connect
        self._partitions = partitions

    async def read_to_end(self, tps: Collection[TP]) -> None:
        """Take over everything that these partitions of the changelog hold now. An backoff is waited out.

        Cancelling it keeps what was taken over so far; the next call goes on from there.
        """
        await self._reading(tps, follow=False)

    async def follow(self, tps: Collection[TP]) -> None:
        """Take over everything that these partitions hold, and ever will, until it is cancelled."""
        await self._reading(tps, follow=True)

    async def _reading(self, tps: Collection[TP], *, follow: bool) -> None:
        while tps:
            try:
                consumer = await self._connect()
                try:
                    await self._read(consumer, [TopicPartition(*tp) for tp in tps], follow=follow)
                    return
                finally:
                    await consumer.stop()
            except KafkaError as error:
                _log.warning("the changelog cannot be read; trying until it can: %r", error)
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
                # One that was taken away meanwhile would be made anew, and begin in the middle of its changelog.
                if self._partitions.find(tp.partition) is here[tp.partition]:
                    changes = [(each.key or b"", each.value) for each in batch.records]
                    self._partitions.apply(tp.partition, changes, batch.end)
                if batch.end >= ends[TopicPartition(*tp)]:
                    behind.discard(TopicPartition(*tp))
            await asyncio.sleep(0)

    def _start(self, number: int, begin: int, end: int) -> int:
        """Return the offset to read from. States that reach past the changelog's end are of another one, and go."""
        reached = self._partitions[number].packed_store.reached()
        if reached is None:
            return begin
        if reached > end:
            _log.warning("the states of partition %d reach past the end of their changelog: read anew", number)
            self._partitions[number].packed_store.clear()
            return begin
        return max(reached, begin)
