"""Decodes the bytes of a record into an interaction."""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from bannerstream.contracts.errors import ImplausibleTime, MalformedRecord, OversizedRecord
from bannerstream.contracts.inputs.ga4 import read_ga4
from bannerstream.contracts.inputs.mapped import EventMapping, read_mapped
from bannerstream.contracts.inputs.native import read_native
from bannerstream.contracts.inputs.segment import read_segment
from bannerstream.contracts.inputs.strict import strictly
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.scalars import MAX_EVENT_BYTES

Source = Literal["clicks", "purchases"]
InputFormat = Literal["auto", "native", "segment", "ga4"]
InputForm = InputFormat | EventMapping
"""How the records of a topic are read: a known format, or the shop's own mapping."""

_EARLIEST_PLAUSIBLE_MS = 100_000_000_000
"""March 1973 in milliseconds, the year 5138 in seconds: a smaller number was meant as seconds."""


def decode_event(
    payload: bytes | None,
    source: Source,
    format: InputForm,  # noqa: A002  (the field's own word, and the setting's)
    *,
    received_at: int,
    max_future_ms: int,
    max_age_ms: int,
) -> Interaction:
    """Return the interaction in one record of topic `source`.

    `received_at` is the record's own timestamp in Kafka (epoch milliseconds), never the wall clock: a replay must
    give the same result. The event itself determines its kind: a shop may send orders to `clicks`. The topic only sets
    the kind of a native event without `kind`. A product that one event names twice counts once.

    Raises:
        OversizedRecord: more than `MAX_EVENT_BYTES`; nothing was parsed.
        MalformedRecord: empty, not JSON, a key twice in one object, a field missing, of a wrong type or out of bounds.
        UnsupportedEvent: well-formed, but moves no affinity, or several events of different kinds in one record.
        IgnoredEvent: of a kind that the `EventMapping` ignores.
        ImplausibleTime: later than `received_at` by more than `max_future_ms`, or older by more than `max_age_ms`.
    """
    if not payload:
        raise MalformedRecord("the record is empty: its value must be one JSON object")
    if len(payload) > MAX_EVENT_BYTES:
        raise OversizedRecord(f"the record has {len(payload)} bytes; at most {MAX_EVENT_BYTES} are accepted")
    match _recognise(payload) if format == "auto" else format:
        case "segment":
            interaction = read_segment(payload)
        case "ga4":
            interaction = read_ga4(payload, received_at)
        case EventMapping() as mapping:
            interaction = read_mapped(payload, source, mapping, received_at)
        case _:
            interaction = read_native(payload, source)
    _check_time(interaction.occurred_at, received_at, max_future_ms, max_age_ms)
    return interaction


class _Shape(Struct):
    """The fields that distinguish the formats; a native event has none of them."""

    type: Raw | UnsetType = UNSET
    event: Raw | UnsetType = UNSET
    message_id: Raw | UnsetType = msgspec.field(name="messageId", default=UNSET)
    events: Raw | UnsetType = UNSET
    event_name: Raw | UnsetType = UNSET


_shape = msgspec.json.Decoder(_Shape)


def _recognise(payload: bytes) -> InputFormat:
    shape = strictly(payload, _shape, "event")
    if shape.type is not UNSET and (shape.event is not UNSET or shape.message_id is not UNSET):
        return "segment"
    if shape.events is not UNSET or shape.event_name is not UNSET:
        return "ga4"
    return "native"


def _check_time(occurred_at: int, received_at: int, max_future_ms: int, max_age_ms: int) -> None:
    if occurred_at - received_at > max_future_ms:
        raise ImplausibleTime(
            f"the event's time is {(occurred_at - received_at) / 1000:.0f} s after its arrival; "
            f"input.max_future_s allows {max_future_ms / 1000:.0f}"
        )
    if received_at - occurred_at > max_age_ms:
        hint = "; it looks like seconds, and milliseconds are expected" if occurred_at < _EARLIEST_PLAUSIBLE_MS else ""
        raise ImplausibleTime(
            f"the event's time is {(received_at - occurred_at) / 86_400_000:.1f} days before its arrival; "
            f"input.max_age_days allows {max_age_ms / 86_400_000:.1f}{hint}"
        )
