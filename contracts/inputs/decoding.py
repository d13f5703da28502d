"""Bytes of a record to the events that it holds."""

import json
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from bannerstream.contracts.errors import (
    IgnoredEvent,
    ImplausibleTime,
    InvalidRecord,
    MalformedRecord,
    OversizedRecord,
    Tombstone,
    UnsupportedEvent,
)
from bannerstream.contracts.inputs.ga4 import read_ga4, split_ga4
from bannerstream.contracts.inputs.json_tree import parse_object
from bannerstream.contracts.inputs.mapped import EventMapping, read_mapped
from bannerstream.contracts.inputs.native import NativeEvent, read_native, read_plain_native
from bannerstream.contracts.inputs.refusals import field_names
from bannerstream.contracts.inputs.segment import read_segment, split_segment
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS

Source = Literal["clicks", "purchases"]
InputFormat = Literal["auto", "native", "segment", "ga4"]
InputForm = InputFormat | EventMapping
"""How the records of a topic are read: a known format, or the shop's own mapping."""

_MAY_BE_NATIVE = ("auto", "native")
_EARLIEST_PLAUSIBLE_MS = 100_000_000_000
"""March 1973 in milliseconds, the year 5138 in seconds: a smaller number was meant as seconds."""


class Part(Struct, frozen=True):
    """One event of a record."""

    value: bytes
    """A record that holds this event alone: the record's own bytes unless it holds several."""
    event: Interaction | InvalidRecord
    """What the visitor did, or why that cannot be used."""
    ahead_ms: int = 0
    """How much later than its arrival the event says it was, before its time was moved there."""


def decode_record(
    payload: bytes | None,
    source: Source,
    format: InputForm,  # noqa: A002  (the field's own word, and the setting's)
    *,
    received_at: int,
    max_future_ms: int,
    max_age_ms: int,
    max_record_bytes: int = MAX_EVENT_BYTES,
    max_products: int = MAX_EVENT_PRODUCTS,
) -> tuple[Part, ...]:
    """Return the events of one record of topic `source`, at least one: a GA4 body or a Segment batch may hold several.

    `received_at` is the record's own timestamp in Kafka (epoch milliseconds), never the wall clock: a replay must
    decide alike. What an event is comes from the event: a shop may send orders to `clicks`. The topic only says what a
    native event without `kind` means. A product that one event names twice counts once. Among several events, those
    that move no affinity are passed over.

    An event that is later than `received_at` by up to `max_future_ms` counts as of `received_at`: the clock that dated
    it is ahead, and its visitor's decisions would otherwise wait until that time has come.

    An event that cannot be used is one of:
        OversizedRecord: more than `max_record_bytes`; nothing was parsed.
        Tombstone: no value at all.
        MalformedRecord: not JSON, a key twice that is read, a field missing, of a wrong type or out of bounds.
        UnsupportedEvent: well-formed, but moves no affinity.
        IgnoredEvent: of a kind, or without a kind, where an `EventMapping` says to pass it over.
        ImplausibleTime: later than `received_at` by more than `max_future_ms`, or older by more than `max_age_ms`.
    """
    try:
        if payload is not None and len(payload) > max_record_bytes:
            raise OversizedRecord(
                f"the record has {len(payload)} bytes; at most {max_record_bytes} are accepted: "
                "raise input.max_record_bytes, or write smaller records"
            )
        if payload and format in _MAY_BE_NATIVE and (plain := read_plain_native(payload, source, max_products)):
            _check_time(plain.occurred_at, received_at, max_future_ms, max_age_ms, "native")
            return (_arrived(payload, plain, received_at),)
        tree = _tree(payload, format)
        form = _recognise(tree) if format == "auto" else format
        trees = split_segment(tree) if form == "segment" else split_ga4(tree) if form == "ga4" else [tree]
    except InvalidRecord as error:
        return (Part(payload or b"", _alone(error)),)
    parts = []
    for inner in trees:
        value = payload or b""
        try:
            if len(trees) > 1:
                value = _encoded(inner)
            event = _read(inner, value, source, form, received_at, max_products)
            _check_time(event.occurred_at, received_at, max_future_ms, max_age_ms, form)
        except InvalidRecord as error:
            parts.append(Part(value, _alone(error)))
        else:
            parts.append(_arrived(value, event, received_at))
    if len(parts) == 1:
        return tuple(parts)
    used = tuple(part for part in parts if not isinstance(part.event, UnsupportedEvent))
    return used or (Part(payload or b"", parts[0].event),)


def decode_event(payload: bytes | None, source: Source, format: InputForm, **limits: int) -> Interaction:  # noqa: A002
    """Return the event of a record that holds one. The arguments are those of `decode_record`.

    Raises:
        InvalidRecord: see `decode_record`; or the record holds several events.
    """
    parts = decode_record(payload, source, format, **limits)
    if len(parts) > 1:
        raise UnsupportedEvent(f"the record holds {len(parts)} events: `decode_record` reads each")
    if isinstance(parts[0].event, InvalidRecord):
        raise parts[0].event
    return parts[0].event


def _tree(payload: bytes | None, form: InputForm) -> dict[str, Any]:
    if not payload:
        reason = "the record is empty: its value must be one JSON object - at `$`"
        if isinstance(form, EventMapping) and form.ignore_other_kinds:
            raise IgnoredEvent(reason)
        raise Tombstone(reason) if payload is None else MalformedRecord(reason)
    return parse_object(payload)


def _read(  # noqa: PLR0917  (one caller, in this order)
    tree: dict[str, Any], payload: bytes, source: Source, form: InputForm, received_at: int, max_products: int
) -> Interaction:
    match form:
        case "segment":
            return read_segment(tree, max_products)
        case "ga4":
            return read_ga4(tree, payload, received_at, max_products)
        case EventMapping() as mapping:
            return read_mapped(tree, payload, source, mapping, received_at, max_products)
        case _:
            return read_native(tree, source, max_products)


def _alone(error: InvalidRecord) -> InvalidRecord:
    """Return the error without its traceback, whose frames would keep the batch until garbage is collected."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _encoded(tree: dict[str, Any]) -> bytes:
    try:
        return json.dumps(tree, default=_null).encode()
    except RecursionError as error:
        raise MalformedRecord("the event is nested too deeply: write one flat object - at `$`") from error


def _null(_: object) -> None:
    """Write a doubled key, which nobody could read, as null."""


def _recognise(tree: dict[str, Any]) -> InputFormat:
    if "batch" in tree or ("type" in tree and ("event" in tree or "messageId" in tree)):
        return "segment"
    if "events" in tree or "event_name" in tree:
        return "ga4"
    if not tree.keys().isdisjoint(NativeEvent.__struct_fields__):
        return "native"
    if "event" in tree:
        raise MalformedRecord(
            "the record looks like a push to the data layer of a tag manager: have its tag send GA4's Measurement "
            "Protocol or Segment's `track`, or describe this form in a connect.toml - at `$`"
        )
    raise MalformedRecord(
        f"the record is in no format that is recognised; there are {field_names(tree)}. Native events have `event_id`, "
        "`user_id`, `product_id` and `time`, Segment's `type` and `messageId`, GA4's `events` or `event_name`: "
        "describe any other in a connect.toml - at `$`"
    )


def _arrived(value: bytes, event: Interaction, received_at: int) -> Part:
    """Return the event's part, dated at its arrival at the latest."""
    ahead_ms = event.occurred_at - received_at
    return Part(value, event) if ahead_ms <= 0 else Part(value, replace(event, occurred_at=received_at), ahead_ms)


def _check_time(occurred_at: int, received_at: int, max_future_ms: int, max_age_ms: int, form: InputForm) -> None:
    if occurred_at - received_at > max_future_ms:
        raise ImplausibleTime(
            f"the event's time is {(occurred_at - received_at) / 1000:.0f} s after its arrival; "
            f"input.max_future_s allows {max_future_ms / 1000:.0f}"
        )
    if received_at - occurred_at > max_age_ms:
        raise ImplausibleTime(
            f"the event's time is {(received_at - occurred_at) / 86_400_000:.1f} days before its arrival; "
            f"input.max_age_days allows {max_age_ms / 86_400_000:.1f}{_unit_hint(occurred_at, form)}"
        )


def _unit_hint(occurred_at: int, form: InputForm) -> str:
    if occurred_at >= _EARLIEST_PLAUSIBLE_MS:
        return ""
    if isinstance(form, EventMapping):
        return "; its number is too small for the `time_unit` of connect.toml" if form.time_unit != "rfc3339" else ""
    if form == "ga4":
        return "; it looks like milliseconds or seconds, and microseconds are expected"
    return "; it looks like seconds, and milliseconds are expected"
