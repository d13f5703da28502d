"""What becomes of the shop's records on their way through: pure, so that the copier is left with sending."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiokafka import ConsumerRecord
from aiokafka.partitioner import DefaultPartitioner

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import IgnoredEvent, InvalidRecord
from bannerstream.contracts.inputs import InputForm, Source, decode_event
from bannerstream.streams.repartition.origin import Origin

_AT_A_TIME = 250
"""Records sorted before others may use the event loop: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """How records of the shop's topics are read."""

    forms: dict[Source, InputForm]
    max_future_ms: int
    max_age_ms: int


@dataclass(frozen=True, slots=True)
class Copy:
    """One record of the repartitioned topic."""

    key: bytes
    value: bytes
    origin: Origin


@dataclass(frozen=True, slots=True)
class Routed:
    """What the records of one fetch lead to."""

    copies: dict[int, list[Copy]]
    """By the partition that they go to, in the order in which they came."""
    letters: dict[int, list[DeadLetter]]
    """Likewise."""
    ignored: int


async def route(
    records: Sequence[ConsumerRecord],
    source: Source,
    reading: InputRules,
    *,
    partitions: int,
    letter_partitions: int,
    now: int,
) -> Routed:
    """Return for each record the partition of its visitor, or the dead letter of what cannot be read.

    What cannot be read has no visitor to be routed by; what only streams can tell, such as an unknown product, is
    copied. The partition is that of Kafka's default partitioner (murmur2 of the user id, KIP-480's keyed case).
    """
    copies: dict[int, list[Copy]] = defaultdict(list)
    letters: dict[int, list[DeadLetter]] = defaultdict(list)
    ignored = 0
    for number, record in enumerate(records, start=1):
        origin = Origin(source, record.topic, record.partition, record.offset, record.timestamp)
        try:
            user = decode_event(
                record.value,
                source,
                reading.forms[source],
                received_at=record.timestamp,
                max_future_ms=reading.max_future_ms,
                max_age_ms=reading.max_age_ms,
            ).user_id.encode()
        except IgnoredEvent:
            ignored += 1
        except InvalidRecord as error:
            to = record.offset % letter_partitions if record.key is None else _partition(record.key, letter_partitions)
            letters[to].append(_dead_letter(record, error.code, str(error), now))
        else:
            copies[_partition(user, partitions)].append(Copy(user, record.value, origin))
        if number % _AT_A_TIME == 0:
            await asyncio.sleep(0)
    return Routed(copies, letters, ignored)


@lru_cache(maxsize=100_000)  # aiokafka's murmur2 is Python: 5 µs for an id of 20 bytes
def _partition(key: bytes, partitions: int) -> int:
    found: int = DefaultPartitioner()(key, range(partitions), ())
    return found


def _dead_letter(record: ConsumerRecord, code: str, reason: str, now: int) -> DeadLetter:
    return DeadLetter.of(
        key=record.key,
        value=record.value,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        code=code,
        reason=reason,
        now=now,
    )
