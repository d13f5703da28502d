"""Google Analytics 4: bodies of the Measurement Protocol, and rows of the BigQuery export.

Read are view_item, select_item, add_to_cart and purchase, each with `items[].item_id`. The visitor is `user_id`, or
else the device: `client_id`, `app_instance_id`, or `user_pseudo_id` in a row of the export.

Several events in one body: a record is folded whole or not at all, and an interaction has one kind. So events that move
no affinity (session_start, scroll) are passed over; several of one kind become one interaction with the products of
all, at the time of the latest; different kinds in one body are refused whole and can be sent again apart.

The id: GA4 events have none, so one is derived that a resend keeps: from visitor and `transaction_id` for an order,
from the bytes for all else. The time: `timestamp_micros` of the event, or of the body, or, as the protocol has it for
bodies without one, the time of arrival.

Sources: Google's "Measurement Protocol reference (Google Analytics 4)" and "[GA4] BigQuery Export schema".
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from bannerstream.contracts.errors import MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs.strict import (
    ForeignProductId,
    ForeignUserId,
    product_ids,
    refuse_duplicate_keys,
    strictly,
    time_at,
)
from bannerstream.contracts.interactions import Interaction, InteractionKind

_NAME = "ga4"

KINDS = {
    "view_item": InteractionKind.VIEW,
    "select_item": InteractionKind.CLICK,
    "add_to_cart": InteractionKind.CART,
    "purchase": InteractionKind.PURCHASE,
}

_Micros = Annotated[int, Meta(ge=0, le=253_402_300_799_999_999)] | Annotated[str, Meta(pattern=r"^[0-9]{1,18}$(?!\n)")]
"""BigQuery writes 64-bit integers as JSON strings, and the protocol's own examples do both."""


class _Happened(Struct, frozen=True):
    name: str
    params: Raw = Raw(b"{}")
    timestamp_micros: _Micros | None = None


class _Body(Struct, frozen=True):
    """A body of the protocol, or a row of the export, which is one event: `event_name` and what goes with it."""

    user_id: ForeignUserId | None = None
    client_id: ForeignUserId | None = None
    app_instance_id: ForeignUserId | None = None
    user_pseudo_id: ForeignUserId | None = None
    timestamp_micros: _Micros | None = None
    event_timestamp: _Micros | None = None
    event_name: str | None = None
    events: tuple[_Happened, ...] | None = None


class _Item(Struct, frozen=True):
    item_id: ForeignProductId


class _Params(Struct, frozen=True):
    """The parameters of one event. A row of the export holds the same items, and `ecommerce` beside them."""

    items: Annotated[tuple[_Item, ...], Meta(min_length=1)]
    transaction_id: str | int | None = None
    ecommerce: "_Ecommerce | None" = None


class _Ecommerce(Struct, frozen=True):
    transaction_id: str | int | None = None


class _AffinityEvent(Struct, frozen=True):
    """One event that moves affinities."""

    kind: InteractionKind
    params: _Params
    occurred_at: int | None


_body = msgspec.json.Decoder(_Body)
_params = msgspec.json.Decoder(_Params)


def read_ga4(payload: bytes, received_at: int) -> Interaction:
    """Return the interaction of a Measurement Protocol body or an exported row.

    Raises:
        MalformedRecord, UnsupportedEvent: see `contracts.inputs.decode_event`.
    """
    body = strictly(payload, _body, _NAME)
    refuse_duplicate_keys(payload, _NAME)
    events = list(_affinity_events(body, payload))
    kind = _one_kind(events)
    user = body.user_id or body.client_id or body.app_instance_id or body.user_pseudo_id
    if not user:
        raise MalformedRecord(f"{_NAME}: `user_id`, `client_id` or `user_pseudo_id` is required - at `$`")
    return Interaction(
        event_id=_event_id(events, user, payload),
        user_id=user,
        kind=kind,
        product_ids=product_ids(
            (item.item_id for event in events for item in event.params.items),
            _NAME,
            "$.events" if body.events else "$.items",
        ),
        occurred_at=max(received_at if event.occurred_at is None else event.occurred_at for event in events),
    )


def _affinity_events(body: _Body, payload: bytes) -> Iterator[_AffinityEvent]:
    if body.events is None:
        kind = KINDS.get(body.event_name or "")
        if kind is None:
            named = (body.event_name or "")[:80]
            raise UnsupportedEvent(f"{_NAME}: {named!r} is none of {', '.join(KINDS)} - at `$.event_name`")
        occurred_at = _occurred_at("$.event_timestamp", body.event_timestamp, body.timestamp_micros)
        yield _AffinityEvent(kind, strictly(payload, _params, _NAME), occurred_at)
        return
    for index, event in enumerate(body.events):
        if kind := KINDS.get(event.name):
            path = f"$.events[{index}]"
            params = strictly(event.params, _params, _NAME, f"{path}.params")
            occurred_at = _occurred_at(f"{path}.timestamp_micros", event.timestamp_micros, body.timestamp_micros)
            yield _AffinityEvent(kind, params, occurred_at)


def _occurred_at(path: str, *micros: int | str | None) -> int | None:
    stated = next((int(each) for each in micros if each is not None), None)
    return None if stated is None else time_at(stated // 1000, _NAME, path)


def _one_kind(events: list[_AffinityEvent]) -> InteractionKind:
    kinds = sorted({event.kind for event in events})
    if not kinds:
        raise UnsupportedEvent(f"{_NAME}: none of its events is one of {', '.join(KINDS)} - at `$.events`")
    if len(kinds) > 1:
        raise UnsupportedEvent(
            f"{_NAME}: one record holds events of different kinds ({', '.join(kinds)}); "
            "send each in its own - at `$.events`"
        )
    return kinds[0]


def _event_id(events: list[_AffinityEvent], user: str, payload: bytes) -> str:
    transaction = _transaction(events[0]) if len(events) == 1 else None
    named_by = payload if transaction is None else msgspec.json.encode(("purchase", user, transaction))
    return f"ga4-{hashlib.blake2b(named_by, digest_size=16).hexdigest()}"


def _transaction(event: _AffinityEvent) -> str | None:
    if event.kind is not InteractionKind.PURCHASE:
        return None
    stated = event.params.transaction_id
    if stated is None and event.params.ecommerce is not None:
        stated = event.params.ecommerce.transaction_id
    return None if stated is None or stated == "" else str(stated)
