"""Routes the shop's records to partitions. No I/O: the copier sends them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiokafka import ConsumerRecord
from aiokafka.partitioner import DefaultPartitioner

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import IgnoredEvent
from bannerstream.contracts.inputs import InputForm, Source, decode_record
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS
from bannerstream.streams.repartition.origin import Origin

_YIELD_EVERY = 250
"""Records routed before yielding to the event loop: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """How to decode records of the shop's topics."""

    forms: dict[Source, InputForm]
    max_future_ms: int
    max_age_ms: int
    max_record_bytes: int = MAX_EVENT_BYTES
    max_products: int = MAX_EVENT_PRODUCTS


@dataclass(frozen=True, slots=True)
class Copy:
    """One record of the repartitioned topic, which holds one event."""

    key: bytes
    value: bytes
    origin: Origin


@dataclass(frozen=True, slots=True)
class Routed:
    """The routed records of one fetch."""

    copies: dict[int, list[Copy]]
    """By target partition, in the order of the source."""
    letters: dict[int, list[DeadLetter]]
    """By target partition, in the order of the source."""
    ignored: int


async def route(
    records: Sequence[ConsumerRecord],
    source: Source,
    reading: InputRules,
    *,
    partitions: int,
    letter_partitions: int,
    now_ms: int,
) -> Routed:
    """Route each event to the partition of its visitor, or make a dead letter of an unreadable one.

    An unreadable event has no visitor to route by. Events of one record are copied one by one: a Segment batch may hold
    several visitors'. Events with errors that only streams can detect, such as an
    unknown product, are copied. The partition is that of Kafka's default partitioner (murmur2 of the user id, KIP-480's
    keyed case).
    """
    copies: dict[int, list[Copy]] = defaultdict(list)
    letters: dict[int, list[DeadLetter]] = defaultdict(list)
    ignored = 0
    for count, record in enumerate(records, start=1):
        parts = decode_record(
            record.value,
            source,
            reading.forms[source],
            received_at=record.timestamp,
            max_future_ms=reading.max_future_ms,
            max_age_ms=reading.max_age_ms,
            max_record_bytes=reading.max_record_bytes,
            max_products=reading.max_products,
        )
        for number, part in enumerate(parts, start=1):
            alone = number if len(parts) > 1 else None
            event = part.event
            if isinstance(event, Interaction):
                user = event.user_id.encode()
                origin = Origin(source, record.topic, record.partition, record.offset, record.timestamp, alone)
                copies[_partition(user, partitions)].append(Copy(user, part.value, origin))
            elif isinstance(event, IgnoredEvent):
                ignored += 1
            else:
                value = record.value if alone is None else part.value
                letter = _dead_letter(record, value, event.code, str(event), now_ms, alone)
                letters[_letter_partition(record, letter_partitions)].append(letter)
        if count % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return Routed(copies, letters, ignored)


@lru_cache(maxsize=100_000)  # aiokafka's murmur2 is Python: 5 µs for an id of 20 bytes
def _partition(key: bytes, partitions: int) -> int:
    partition: int = DefaultPartitioner()(key, range(partitions), ())
    return partition


def _letter_partition(record: ConsumerRecord, partitions: int) -> int:
    return record.offset % partitions if record.key is None else _partition(record.key, partitions)


def _dead_letter(  # noqa: PLR0917  (one caller, in this order)
    record: ConsumerRecord, value: bytes | None, code: str, reason: str, now_ms: int, part: int | None
) -> DeadLetter:
    return DeadLetter.of(
        key=record.key,
        value=value,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        code=code,
        reason=reason,
        now=now_ms,
        part=part,
    )
