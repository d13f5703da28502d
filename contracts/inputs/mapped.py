"""Any other JSON: reads each field of the interaction from the path that the shop's `connect.toml` gives.

Foreign, so fields that no path names are ignored, ids may be numbers, and null or "" means absent. The kind of an event
is read first: in a topic that carries more than interactions, the others need not have their fields.

An event without an id gets one derived from its bytes, so that resending the same bytes keeps it.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bannerstream.contracts.errors import IgnoredEvent, MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs.json_tree import DoubledKey
from bannerstream.contracts.inputs.jsonpath import JsonPath
from bannerstream.contracts.inputs.refusals import shown
from bannerstream.contracts.inputs.strict import foreign_id, product_ids, time_at
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.scalars import EventId, ProductId, UserId

_NAME = "mapped"

TimeUnit = Literal["s", "ms", "us", "rfc3339"]

_PER_SECOND: dict[TimeUnit, int] = {"s": 1, "ms": 1000, "us": 1_000_000}

_BEYOND_ANY_TIME = 1e18
"""Larger than the year 9999 in microseconds; a float much larger would overflow on its way to an integer."""

_NUMBERS = range(-(10**40), 10**40)
"""Ids that are numbers; JSON bounds none, and a shop's own may be signed or of 128 bits."""

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


def read_mapped(  # noqa: PLR0917  (one caller, which passes what it has in this order)
    tree: dict[str, Any],
    payload: bytes,
    source: Literal["clicks", "purchases"],
    mapping: EventMapping,
    received_at: int,
    max_products: int,
) -> Interaction:
    """Return the interaction of an event in the shop's own format.

    Raises:
        IgnoredEvent: its kind is one that the shop wants passed over, or it has none.
        MalformedRecord, UnsupportedEvent: see `contracts.inputs.decode_record`.
    """
    try:
        kind = _kind(tree, source, mapping)
        return Interaction(
            event_id=_event_id(tree, mapping.event_id, payload),
            user_id=_required_id(tree, mapping.user, UserId),
            kind=kind,
            product_ids=_products(tree, mapping.product, max_products),
            occurred_at=_occurred_at(tree, mapping) if mapping.time else received_at,
        )
    except DoubledKey as error:
        raise MalformedRecord(f"{_NAME}: {error} - at `$`") from error


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
    try:
        path, stated = _first(event, mapping.kind)
    except MalformedRecord as error:
        if mapping.ignore_other_kinds:
            raise IgnoredEvent(str(error)) from error
        raise
    kind = mapping.kinds.get(stated) if isinstance(stated, str) else None
    if kind is None:
        reason = f"{_NAME}: {shown(stated)} is none of {', '.join(mapping.kinds)} - at `{path}`"
        raise IgnoredEvent(reason) if mapping.ignore_other_kinds else UnsupportedEvent(reason)
    return kind


def _event_id(event: object, paths: Paths, payload: bytes) -> str:
    if paths:
        return _required_id(event, paths, EventId)
    return f"{_NAME}-{hashlib.blake2b(payload, digest_size=16).hexdigest()}"


def _required_id(event: object, paths: Paths, bounds: object) -> str:
    path, value = _first(event, paths)
    return foreign_id(value, bounds, _NAME, path, _NUMBERS)


def _products(event: object, paths: Paths, max_products: int) -> tuple[str, ...]:
    for path in paths:
        named = [value for value in path.find(event) if value is not None and value != ""]
        if named:
            ids = (foreign_id(value, ProductId, _NAME, path.text, _NUMBERS) for value in named)
            return product_ids(ids, max_products, _NAME, path.text)
    for path in paths:
        if path.members(event):
            raise UnsupportedEvent(
                f"{_NAME}: it lists {len(path.members(event))} lines, and none names a product - at `{path.text}`"
            )
    raise _missing(paths)


def _occurred_at(event: object, mapping: EventMapping) -> int:
    path, stated = _first(event, mapping.time)
    if mapping.time_unit == "rfc3339":
        if not isinstance(stated, str):
            raise MalformedRecord(f"{_NAME}: {shown(stated)} is not an RFC 3339 time; set `time_unit` - at `{path}`")
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
    raise MalformedRecord(f"{_NAME}: {shown(stated)} is not a number of {unit} since 1970 - at `{path}`")


def _missing(paths: Paths) -> MalformedRecord:
    return MalformedRecord(f"{_NAME}: nothing there - at `{'`, `'.join(path.text for path in paths)}`")
