"""Copies one partition of a shop's topic: each fetch is one transaction, including the offset."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ProducerFenced

from bannerstream.broker.connection import broker_errors
from bannerstream.contracts.cloudevents import Headers
from bannerstream.contracts.inputs import Source
from bannerstream.settings import KafkaSettings
from bannerstream.streams.errors import Fenced
from bannerstream.streams.repartition.routing import InputRules, Routed, route

_Outgoing = tuple[bytes | None, bytes | None, Headers]


@dataclass(frozen=True, slots=True)
class RepartitionConfig:
    """Configuration shared by all copiers."""

    kafka: KafkaSettings
    sources: dict[str, Source]
    """The source of each input topic."""
    group: str
    target: str
    dead_letters: str
    partitions: dict[str, int]
    """Partition counts of `target` and `dead_letters`."""
    reading: InputRules


class PartitionCopier:
    """Copies from one partition. Close it after any failure; its successor continues at the committed offset."""

    def __init__(self, tp: TopicPartition, producer: Any, config: RepartitionConfig) -> None:
        self._tp = tp
        self._producer = producer
        self._config = config

    async def copy(self, records: Sequence[ConsumerRecord], *, whole_letters: bool = True) -> Routed:
        """Copy records that follow the committed offset in one transaction, and return how they were routed.

        `whole_letters=False` leaves the originals out of the dead letters, for a topic that rejects them.

        Raises:
            Fenced: another process has taken over the partition; nothing was written.
            ServiceUnavailable, ConfigurationError, MessageTooLarge: see `broker.connection.broker_errors`.
        """
        config = self._config
        routed = await route(
            records,
            config.sources[self._tp.topic],
            config.reading,
            partitions=config.partitions[config.target],
            letter_partitions=config.partitions[config.dead_letters],
            now_ms=int(time.time() * 1000),
        )
        try:
            with broker_errors(config.kafka):
                await self._write(routed, records[-1].offset + 1, whole_letters)
        except BaseException as error:
            if isinstance(error.__cause__, ProducerFenced):
                raise Fenced(
                    f"another process copies from {self._tp.topic}/{self._tp.partition}: this one was paused for "
                    "longer than kafka.session_timeout_s, or another deployment uses the same streams.app_id"
                ) from error
            raise
        return routed

    async def close(self) -> None:
        """Disconnect. An open transaction stays open until the partition's next producer aborts it."""
        await self._producer.stop()

    async def _write(self, routed: Routed, next_offset: int, whole_letters: bool) -> None:
        config = self._config
        async with self._producer.transaction():
            acknowledgements = []
            for partition, copies in routed.copies.items():
                outgoing: list[_Outgoing] = [(copy.key, copy.value, [copy.origin.header()]) for copy in copies]
                acknowledgements += await self._send(config.target, partition, outgoing)
            for partition, letters in routed.letters.items():
                kept = letters if whole_letters else [letter.without_original() for letter in letters]
                refused: list[_Outgoing] = [(letter.key, letter.value, letter.headers()) for letter in kept]
                acknowledgements += await self._send(config.dead_letters, partition, refused)
            await asyncio.gather(*acknowledgements)
            await self._producer.send_offsets_to_transaction({self._tp: next_offset}, config.group)

    async def _send(self, topic: str, partition: int, records: Sequence[_Outgoing]) -> "list[asyncio.Future[Any]]":
        """Send in batches built here: `send` takes ten times as long and rejects records without key and value.

        Records carry the time of copying, not the shop's: retention would delete an old backlog as it arrives.
        """
        sent = []
        now_ms = int(time.time() * 1000)
        batch = self._producer.create_batch()
        for key, value, headers in records:
            if batch.append(timestamp=now_ms, key=key, value=value, headers=headers) is None:
                sent.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                batch.append(timestamp=now_ms, key=key, value=value, headers=headers)
        sent.append(await self._producer.send_batch(batch, topic, partition=partition))
        return sent
