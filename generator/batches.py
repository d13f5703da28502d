"""One batch of requests: where its records came from, what they ask for, and which are no requests at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import TopicPartition

from contracts.codecs import decode
from contracts.deadletters import DeadLetter
from contracts.errors import InvalidRecord
from contracts.keys import banner_key
from contracts.messages import BannerRequest
from generator.errors import MismatchedKey


class Record(Protocol):
    """What is used of aiokafka's `ConsumerRecord`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Batch:
    """Records that are worked on together, oldest first."""

    records: list[Record]
    requests: list[tuple[Record, BannerRequest]] = field(default_factory=list)
    refused: list[tuple[Record, InvalidRecord]] = field(default_factory=list)
    lost: set[TopicPartition] = field(default_factory=set)
    """Partitions that were taken from this worker since: who has them now makes these requests again."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Batch":
        """Return the records decoded and sorted by the time when the broker took them."""
        batch = cls(sorted(records, key=lambda record: (record.timestamp, record.partition, record.offset)))
        for record in batch.records:
            try:
                batch.requests.append((record, read_request(record.value)))
            except InvalidRecord as error:
                batch.refused.append((record, error))
        return batch

    @property
    def offsets(self) -> dict[TopicPartition, int]:
        """Return what to commit: per partition that is still ours, the offset after the last record."""
        ends: dict[TopicPartition, int] = {}
        for record in self.records:
            partition = TopicPartition(record.topic, record.partition)
            if partition not in self.lost:
                ends[partition] = max(ends.get(partition, 0), record.offset + 1)
        return ends

    @property
    def abandoned(self) -> bool:
        """Tell whether every partition of this batch was lost: nothing of it is ours to do."""
        return not self.offsets


def read_request(value: bytes | None) -> BannerRequest:
    """Return the request in a record.

    Raises:
        InvalidRecord: no value, malformed, or a banner key that is not the hash of what is asked for.
    """
    request = decode(value or b"", BannerRequest)
    expected = banner_key(
        request.product,
        request.cohort,
        locale=request.locale,
        variant=request.variant,
        creative_revision=request.creative_revision,
        favourites=request.favourites,
    )
    if request.banner_key != expected:
        raise MismatchedKey(f"the banner key is {request.banner_key}, what is asked for has {expected}")
    return request


def dead_letters(failed: Sequence[tuple[Record, str, str]], now: int) -> list[DeadLetter]:
    """Return the letters of records that failed, each given with its code and reason."""
    return [
        DeadLetter.of(
            key=record.key,
            value=record.value,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=code,
            reason=reason,
            now=now,
        )
        for record, code, reason in failed
    ]
