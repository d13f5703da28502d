"""Predicts what streams would make of some records: pure. Excerpts of events are masked: they are about people."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

import msgspec

from bannerstream.contracts.errors import IgnoredEvent, InvalidRecord
from bannerstream.contracts.inputs import InputForm, Source, decode_record
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS

EXCERPT_CHARACTERS = 160

_FIELD = re.compile(r" - at (`.*`)$")
_QUOTED = re.compile(r"'[^']*'")
_OPEN_KINDS = {"unsupported", "ignored"}
"""Codes whose reasons quote only the name of an event kind, nothing about a visitor."""


class SampledRecord(Protocol):
    """The parts of a record that are checked."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


@dataclass(slots=True)
class Finding:
    """Events rejected (or skipped) for the same reason."""

    code: str
    field: str
    """Path of the invalid field; empty if the whole record is."""
    reason: str
    """Reason for the example, with quoted values masked."""
    example: str
    """`topic/partition@offset`."""
    excerpt: str
    """Start of the example: field names unchanged, letters of values as x, digits as 0."""
    count: int = 1


@dataclass(slots=True)
class Check:
    """The results of checking a sample."""

    usable: int = 0
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    keyed: int = 0
    """Readable events whose record's key is their user id."""
    read: int = 0
    """Readable events; a record may hold several."""
    delays_ms: list[int] = field(default_factory=list)
    """Per readable event: from the event's time to the record's."""

    @property
    def dead_letters(self) -> int:
        """Return how many events would become dead letters."""
        return sum(each.count for each in self.findings if each.code != IgnoredEvent.code)

    def delay_s(self) -> dict[str, float] | None:
        """Return least, median and greatest delay in seconds; a negative one is an event from the future."""
        if not self.delays_ms:
            return None
        low, middle, high = min(self.delays_ms), median(self.delays_ms), max(self.delays_ms)
        return {"least": low / 1000, "median": middle / 1000, "greatest": high / 1000}


def check_records(
    records: Iterable[SampledRecord],
    source: Source,
    form: InputForm,
    *,
    must_be_keyed: bool,
    max_future_ms: int,
    max_age_ms: int,
    max_record_bytes: int = MAX_EVENT_BYTES,
    max_products: int = MAX_EVENT_PRODUCTS,
) -> Check:
    """Return what streams would make of `records`. Does not know the catalogue, so unknown products pass.

    `must_be_keyed`: a key other than the user id makes a dead letter (`wrong_key`); otherwise it is only counted.
    """
    check = Check()
    found: dict[tuple[str, str], Finding] = {}
    for record in records:
        for part in decode_record(
            record.value,
            source,
            form,
            received_at=record.timestamp,
            max_future_ms=max_future_ms,
            max_age_ms=max_age_ms,
            max_record_bytes=max_record_bytes,
            max_products=max_products,
        ):
            if isinstance(part.event, InvalidRecord):
                _note(found, record, part.event.code, str(part.event))
            else:
                _count(check, found, record, part.event, must_be_keyed=must_be_keyed)
                check.delays_ms.append(record.timestamp - part.event.occurred_at - part.ahead_ms)
    check.findings = sorted(found.values(), key=lambda finding: -finding.count)
    return check


def _count(
    check: Check,
    found: dict[tuple[str, str], Finding],
    record: SampledRecord,
    event: Interaction,
    *,
    must_be_keyed: bool,
) -> None:
    check.read += 1
    check.kinds[event.kind.value] += 1
    check.users.add(event.user_id)
    check.products.update(event.product_ids)
    if record.key == event.user_id.encode():
        check.keyed += 1
    elif must_be_keyed:
        _note(found, record, "wrong_key", "the key is not the visitor's id; see streams.repartition - at `key`")
        return
    check.usable += 1


def _note(found: dict[tuple[str, str], Finding], record: SampledRecord, code: str, reason: str) -> None:
    match = _FIELD.search(reason)
    path = match[1].replace("`", "") if match else ""
    if (known := found.get((code, path))) is not None:
        known.count += 1
        return
    message = _FIELD.sub("", reason)
    found[code, path] = Finding(
        code=code,
        field=path,
        reason=message if code in _OPEN_KINDS else _QUOTED.sub("'…'", message),
        example=f"{record.topic}/{record.partition}@{record.offset}",
        excerpt=excerpt(record.value),
    )


def excerpt(value: bytes | None) -> str:
    """Return the start of a record's value: shape kept, content masked."""
    if value is None:
        return "null"
    try:
        shown = _masked(msgspec.json.decode(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        shown = _mask(value[:EXCERPT_CHARACTERS].decode(errors="replace"))
    return shown if len(shown) <= EXCERPT_CHARACTERS else shown[: EXCERPT_CHARACTERS - 1] + "…"


def _masked(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}": {_masked(inner)}' for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_masked(inner) for inner in value) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return f'"{_mask(value[:40])}"' if isinstance(value, str) else _mask(str(value))


def _mask(text: str) -> str:
    return "".join("0" if letter.isdigit() else "x" if letter.isalpha() else letter for letter in text)
