"""Samples the last records of a topic and the compression of its batches, without a group or commits."""

import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from bannerstream.broker.connection import broker_errors, client_options
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.errors import TopicMissing
from bannerstream.broker.tail import read_to
from bannerstream.broker.topics import describe_topics
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.service.compat import overrides_private
from bannerstream.settings.kafka import KafkaSettings

TIMEOUT_S = 60.0
"""Timeout of reading a sample."""

_POLL_MS = 200

_CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
"""Codecs by the three lowest bits of a batch's attributes."""

_HEAD = struct.Struct(">qiib")
"""Start of a batch in every version: offset, remaining length, leader epoch or CRC, magic."""
_LENGTH_COUNTS_FROM = 12
_ATTRIBUTES = {0: (17, ">b"), 1: (17, ">b"), 2: (21, ">h")}
"""Position of the attributes, by magic: one byte in message sets before 0.11, two in batches."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled records of one topic."""

    records: list[ConsumerRecord]
    partitions: int
    codecs: dict[str, int]
    """Batches seen, by codec."""


async def sample_topic(settings: KafkaSettings, topic: str, per_partition: int) -> Sample:
    """Return the records at the last `per_partition` offsets of each partition; compaction may have left fewer.

    Records of uncommitted transactions are left out.

    Raises:
        TopicMissing: the topic does not exist.
        ServiceUnavailable, ConfigurationError: see `broker.connection.broker_errors`.
    """
    state = (await describe_topics(settings, topic)).get(topic)
    if state is None:
        raise TopicMissing(f"there is no topic {topic}: name one that `bannerstream topics check` knows, or another")
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    codecs: Counter[str] = Counter()
    try:
        with broker_errors(settings):
            await consumer.start()
            throttle_empty_fetches(consumer)
            _note_codecs(consumer, codecs)
            partitions = [TopicPartition(topic, number) for number in range(state.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
            for partition in partitions:
                consumer.seek(partition, max(begins[partition], ends[partition] - per_partition))
            records = await _read_within_deadline(consumer, topic, ends)
    finally:
        await consumer.stop()
    return Sample(records, state.partitions, dict(codecs))


async def _read_within_deadline(consumer: Any, topic: str, ends: dict[TopicPartition, int]) -> list[ConsumerRecord]:
    records: list[ConsumerRecord] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    async for fetched in read_to(consumer, ends, _POLL_MS):
        if time.monotonic() > deadline_s:
            raise ServiceUnavailable(f"{topic} could not be read to its end within {TIMEOUT_S:.0f} s")
        records += chain.from_iterable(fetched.values())
    return records


@overrides_private("aiokafka.client:AIOKafkaClient.send", "fb1726e3ed8e")
@overrides_private("aiokafka.consumer.fetcher:Fetcher._proc_fetch_request", "ace04969424f")
def _note_codecs(consumer: Any, codecs: Counter[str]) -> None:
    """Wrap the `send` of this consumer's client, which its fetcher calls: a record does not carry its codec."""
    client = consumer._client  # noqa: SLF001  (see above)
    send = client.send

    async def noted(*args: Any, **kwargs: Any) -> Any:
        response = await send(*args, **kwargs)
        if type(response).__name__.startswith("FetchResponse"):
            for _, partitions in response.topics:
                for *_, batches in partitions:
                    codecs.update(codecs_of(batches or b""))
        return response

    client.send = noted


def codecs_of(batches: bytes) -> Iterator[str]:
    """Yield the codec of each batch in the bytes of a fetch, which may end in the middle of one."""
    position = 0
    while position + _HEAD.size <= len(batches):
        _, length, _, magic = _HEAD.unpack_from(batches, position)
        offset, form = _ATTRIBUTES.get(magic, _ATTRIBUTES[2])
        end = position + _LENGTH_COUNTS_FROM + length
        # A length that does not reach its own attributes is damage: following it would lead back, again and again.
        if end > len(batches) or end < position + offset + struct.calcsize(form):
            return
        (attributes,) = struct.unpack_from(form, batches, position + offset)
        yield _CODECS.get(attributes & 0b111, f"unknown ({attributes & 0b111})")
        position = end
