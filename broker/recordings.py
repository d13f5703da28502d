r"""Recorded shopping sessions as JSON Lines that can hold any record, malformed ones included.

One record per line, sent unchanged:

    {"topic": "clicks", "key": "u-7", "at": "2026-01-31T12:00:00Z", "value": {"event_id": "e-1", …}}
    {"topic": "clicks", "key": "u-7", "raw": "{\"event_id\": \"cut off"}
    {"topic": "purchases", "key": null, "value_b64": "/w=="}

`topic` is the role, whatever the topic's name is. Exactly one of `value` (any JSON, sent byte by byte as written),
`raw` (text) and `value_b64` (bytes) is present. `at` is when the record was sent: with it, a recording can be replayed
as if it ended now (`retimed`).
"""

import base64
import binascii
import gzip
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from bannerstream.contracts.errors import ConfigurationError, InvalidRecord
from bannerstream.contracts.inputs import InputFormat, Part, Source, decode_record
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.contracts.times import MAX_EPOCH_MS, epoch_ms, rfc3339


class RecordingLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a recording."""

    topic: Literal["clicks", "purchases"]
    key: str | None = None
    at: str | int | None = None
    value: Raw | UnsetType = UNSET
    raw: str | UnsetType = UNSET
    value_b64: str | UnsetType = UNSET


class RecordedEvent(Struct, frozen=True):
    """One record to send."""

    source: Source
    key: bytes | None
    value: bytes
    at: int | None = None
    """Epoch milliseconds."""


_line = msgspec.json.Decoder(RecordingLine)


def read_lines(recording: Path | Literal["-"]) -> Iterator[bytes]:
    """Yield the lines of a file (`.gz`: compressed), or of standard input for `-`.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if recording == "-":
        yield from sys.stdin.buffer
        return
    try:
        with gzip.open(recording) if recording.suffix == ".gz" else recording.open("rb") as lines:
            yield from lines
    except (OSError, EOFError) as error:
        raise ConfigurationError(f"the recording {recording} cannot be read: {error}") from error


def parse_line(line: bytes, number: int) -> RecordedEvent:
    """Return the record that a line of a recording holds.

    Raises:
        ConfigurationError: not a line of a recording; names its number and what is wrong.
    """
    try:
        event = _line.decode(line)
        value = _value(event)
        at = None if event.at is None else epoch_ms(event.at)
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError) as error:
        raise ConfigurationError(f"line {number} of the recording: {error}") from error
    return RecordedEvent(event.topic, None if event.key is None else event.key.encode(), value, at)


def _value(event: RecordingLine) -> bytes:
    stated = []
    if event.value is not UNSET:
        stated.append(bytes(event.value))
    if event.raw is not UNSET:
        stated.append(event.raw.encode())
    if event.value_b64 is not UNSET:
        stated.append(base64.b64decode(event.value_b64, validate=True))
    if len(stated) != 1:
        raise ValueError("exactly one of `value`, `raw` and `value_b64` is required")
    return stated[0]


def parse_events(line: bytes, from_format: InputFormat, now: int) -> list[RecordedEvent]:
    """Return the record of each event in a line: topic by its kind, key from its visitor.

    An event that cannot be read goes to `clicks` without a key and becomes a dead letter there, so that a replay shows
    what streams makes of the file.
    """
    parts = decode_record(
        line.strip(), "clicks", from_format, received_at=now, max_future_ms=MAX_EPOCH_MS, max_age_ms=MAX_EPOCH_MS
    )
    return [_record_of(part) for part in parts]


def _record_of(part: Part) -> RecordedEvent:
    if isinstance(part.event, InvalidRecord):
        return RecordedEvent("clicks", None, part.value)
    source: Source = "purchases" if part.event.kind is InteractionKind.PURCHASE else "clicks"
    return RecordedEvent(source, part.event.user_id.encode(), part.value)


def retimed(records: Iterable[RecordedEvent], now: int) -> list[RecordedEvent]:
    """Return the records shifted in time together, so that the last one was sent `now`.

    Shifts the times inside native, Segment and GA4 events too; a value that is not a JSON object stays unchanged.

    Raises:
        ConfigurationError: no record has `at`, the time it was sent.
    """
    records = list(records)
    sent = [each.at for each in records if each.at is not None]
    if not sent:
        raise ConfigurationError("no line of the recording has `at`, so it cannot be moved in time")
    shift_ms = now - max(sent)
    return [
        RecordedEvent(
            record.source,
            record.key,
            _shifted(record.value, shift_ms),
            None if record.at is None else record.at + shift_ms,
        )
        for record in records
    ]


_MILLISECOND_FIELDS = ("time", "timestamp", "originalTimestamp", "receivedAt", "sentAt")
_MICROSECOND_FIELDS = ("timestamp_micros", "event_timestamp")
_MICROS = re.compile(r"[0-9]{1,18}")


def _shifted(value: bytes, shift_ms: int) -> bytes:
    try:
        event = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value
    if not isinstance(event, dict):
        return value
    changed = _shift_fields(event, shift_ms)
    for hit in event["events"] if isinstance(event.get("events"), list) else []:
        if isinstance(hit, dict):
            changed |= _shift_fields(hit, shift_ms)
    return msgspec.json.encode(event) if changed else value


def _shift_fields(event: dict[str, Any], shift_ms: int) -> bool:
    changed = False
    for name in _MILLISECOND_FIELDS:
        if isinstance(event.get(name), str):
            with suppress(ValueError):
                event[name] = rfc3339(epoch_ms(event[name]) + shift_ms)
                changed = True
        elif type(event.get(name)) is int:
            event[name] += shift_ms
            changed = True
    for name in _MICROSECOND_FIELDS:
        stated = event.get(name)
        if type(stated) is int or (isinstance(stated, str) and _MICROS.fullmatch(stated)):
            event[name] = type(stated)(int(stated) + shift_ms * 1000)
            changed = True
    return changed
