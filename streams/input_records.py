"""A record of clicks or purchases, one event of a record with several, and the dead letter of either."""

from dataclasses import dataclass
from typing import Protocol

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import InvalidRecord


class InputRecord(Protocol):
    """One record as aiokafka parses it."""

    @property
    def offset(self) -> int:
        """Return the offset in its partition."""

    @property
    def timestamp(self) -> int:
        """Return when the broker received it or the producer sent it, by the topic's setting; epoch milliseconds."""

    @property
    def key(self) -> bytes | None:
        """Return the visitor's id."""

    @property
    def value(self) -> bytes | None:
        """Return the encoded event."""


@dataclass(frozen=True, slots=True)
class RecordPart:
    """One event of a record that holds several: the record's position and key, and a value that is this event alone."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    part: int
    """Counts from 1."""
    applied_to: set[bytes]
    """User keys whose states hold this offset because of an earlier part. All parts of a record share this set."""


def letter_of(record: InputRecord, topic: str, partition: int, error: Exception, now_ms: int) -> DeadLetter:
    """Return the dead letter of a record that failed with `error`; `now_ms` in epoch milliseconds."""
    code, reason = "internal", f"{type(error).__name__}: {error}"
    if isinstance(error, InvalidRecord):
        code, reason = error.code, str(error)
    return DeadLetter.of(
        key=record.key,
        value=record.value,
        topic=topic,
        partition=partition,
        offset=record.offset,
        code=code,
        reason=reason,
        now=now_ms,
        part=record.part if isinstance(record, RecordPart) else None,
    )
