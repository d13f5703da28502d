"""Any other JSON: reads each field of the interaction from the path that the shop's `connect.toml` gives.

Foreign, so fields that no path names are ignored, ids may be numbers, and null or "" means absent. The kind of an event
is read first: in a topic that carries more than interactions, the others need not have their fields.

An event without an id gets one derived from its bytes, so that resending the same bytes keeps it.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from bannerstream.contracts.errors import IgnoredEvent, MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs.jsonpath import JsonPath
from bannerstream.contracts.inputs.strict import product_ids, refuse_duplicate_keys, strictly, time_at
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.scalars import EventId, ProductId, UserId

_NAME = "mapped"

TimeUnit = Literal["s", "ms", "us", "rfc3339"]

_PER_SECOND: dict[TimeUnit, int] = {"s": 1, "ms": 1000, "us": 1_000_000}

_BEYOND_ANY_TIME = 1e18
"""Larger than the year 9999 in microseconds; a float much larger would overflow on its way to an integer."""

Paths = tuple[JsonPath, ...]
"""Candidate paths of a field: the first that holds a value counts."""


@dataclass(frozen=True, slots=True)
class EventMapping:
    """Paths of the fields of one topic's events, as `contracts.inputs.connect` reads them from a file."""

    user: Paths
    product: Paths
    time: Paths = ()
    """Empty: the record's time in Kafka."""
    time_unit: TimeUnit = "rfc3339"
    event_id: Paths = ()
    kind: Paths = ()
    """Empty: `click` on the clicks topic, `purchase` on the purchases topic."""
    kinds: Mapping[str, InteractionKind] = field(default_factory=lambda: {each.value: each for each in InteractionKind})
    """The kind for each value at `kind`."""
    ignore_other_kinds: bool = False
    """An event of a kind that is not in `kinds` is ignored instead of becoming a dead letter."""


_event = msgspec.json.Decoder()


def read_mapped(
    payload: bytes, source: Literal["clicks", "purchases"], mapping: EventMapping, received_at: int
) -> Interaction:
    """Return the interaction of an event in the shop's own format.

    Raises:
        IgnoredEvent: the shop ignores its kind.
        MalformedRecord, UnsupportedEvent: see `contracts.inputs.decode_event`.
    """
    event = strictly(payload, _event, _NAME)
    if not _holds_each_key_once(event, payload):
        refuse_duplicate_keys(payload, _NAME)
    kind = _kind(event, source, mapping)
    return Interaction(
        event_id=_event_id(event, mapping.event_id, payload),
        user_id=_required_id(event, mapping.user, UserId),
        kind=kind,
        product_ids=_products(event, mapping.product),
        occurred_at=_occurred_at(event, mapping) if mapping.time else received_at,
    )


def _holds_each_key_once(event: object, payload: bytes) -> bool:
    """Return in 0.5 µs what a second parse finds in 4: a duplicate key was dropped, and its quotes with it.

    Exact where nothing is escaped: then every quote opens or closes a string.
    """
    return b"\\" not in payload and msgspec.json.encode(event).count(b'"') == payload.count(b'"')


def _first(event: object, paths: Paths) -> tuple[str, object]:
    """Return the first path with a value, and the value."""
    for path in paths:
        for value in path.find(event):
            if value is not None and value != "":
                return path.text, value
    raise _missing(paths)


def _kind(event: object, source: Literal["clicks", "purchases"], mapping: EventMapping) -> InteractionKind:
    if not mapping.kind:
        return InteractionKind.CLICK if source == "clicks" else InteractionKind.PURCHASE
    path, stated = _first(event, mapping.kind)
    kind = mapping.kinds.get(stated) if isinstance(stated, str) else None
    if kind is None:
        reason = f"{_NAME}: {str(stated)[:80]!r} is none of {', '.join(mapping.kinds)} - at `{path}`"
        raise IgnoredEvent(reason) if mapping.ignore_other_kinds else UnsupportedEvent(reason)
    return kind


def _event_id(event: object, paths: Paths, payload: bytes) -> str:
    if paths:
        return _required_id(event, paths, EventId)
    return f"{_NAME}-{hashlib.blake2b(payload, digest_size=16).hexdigest()}"


def _required_id(event: object, paths: Paths, bounds: object) -> str:
    path, value = _first(event, paths)
    return _id(value, path, bounds)


def _products(event: object, paths: Paths) -> tuple[str, ...]:
    for path in paths:
        named = [value for value in path.find(event) if value is not None and value != ""]
        if named:
            return product_ids((_id(each, path.text, ProductId) for each in named), _NAME, path.text)
    raise _missing(paths)


def _id(value: object, path: str, bounds: object) -> str:
    """Return an id as text: 1234 is read as "1234", since shop databases often hold numbers."""
    text = str(value) if type(value) is int else value
    try:
        return msgspec.convert(text, bounds)  # type: ignore[no-any-return]  # an annotated `str`
    except msgspec.ValidationError as error:
        raise MalformedRecord(f"{_NAME}: {error} - at `{path}`") from error


def _occurred_at(event: object, mapping: EventMapping) -> int:
    path, stated = _first(event, mapping.time)
    if mapping.time_unit == "rfc3339":
        if not isinstance(stated, str):
            raise MalformedRecord(f"{_NAME}: {str(stated)[:40]} is not an RFC 3339 time; set `time_unit` - at `{path}`")
        return time_at(stated, _NAME, path)
    return time_at(_milliseconds(stated, mapping.time_unit, path), _NAME, path)


def _milliseconds(stated: object, unit: TimeUnit, path: str) -> int:
    """Return a number, or its digits, in `unit` as milliseconds; a fraction of one is cut."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) <= 18:
        stated = int(stated)
    if type(stated) is int:
        return stated * 1000 // _PER_SECOND[unit]
    if isinstance(stated, float) and abs(stated) < _BEYOND_ANY_TIME:
        # Through microseconds: 1769860800.123 * 1000 is a hair below the millisecond that was meant.
        return math.floor(round(stated * 1_000_000 / _PER_SECOND[unit]) / 1000)
    raise MalformedRecord(f"{_NAME}: {str(stated)[:40]!r} is not a number of {unit} since 1970 - at `{path}`")


def _missing(paths: Paths) -> MalformedRecord:
    return MalformedRecord(f"{_NAME}: nothing there - at `{'`, `'.join(path.text for path in paths)}`")
