"""Segment's e-commerce spec, version 2: `track` calls as a Segment destination or library delivers them.

Read are Product Viewed, Product Clicked, Product Added and Order Completed, each with its `product_id`. The visitor is
`userId`, or `anonymousId` as long as nobody is logged in.

The time is `timestamp`, which Segment corrects for the skew of the visitor's clock. A library that posts past Segment's
servers sends `originalTimestamp` only: the visitor's clock, still when it happened. `receivedAt` comes last: it is the
time of arrival, and batches arrive out of order.

Sources: Segment's "Spec: Track", "Spec: Common fields" and "Spec: V2 Ecommerce events".
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct, field

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
from bannerstream.contracts.scalars import EventId

_NAME = "segment"

KINDS = {
    "Product Viewed": InteractionKind.VIEW,
    "Product Clicked": InteractionKind.CLICK,
    "Product Added": InteractionKind.CART,
    "Order Completed": InteractionKind.PURCHASE,
}

_Time = Annotated[str, Meta(max_length=40)]


class _Call(Struct, frozen=True):
    """The kind of call, read first so that a page view is unsupported, not malformed."""

    type: str
    event: str | None = None


class _Track(Struct, frozen=True, kw_only=True):
    event_id: EventId = field(name="messageId")
    user_id: ForeignUserId | None = field(name="userId", default=None)
    anonymous_id: ForeignUserId | None = field(name="anonymousId", default=None)
    timestamp: _Time | None = None
    original_timestamp: _Time | None = field(name="originalTimestamp", default=None)
    received_at: _Time | None = field(name="receivedAt", default=None)
    properties: Raw


class _Product(Struct, frozen=True):
    product_id: ForeignProductId


class _Order(Struct, frozen=True):
    products: Annotated[tuple[_Product, ...], Meta(min_length=1)]


_call = msgspec.json.Decoder(_Call)
_track = msgspec.json.Decoder(_Track)
_product = msgspec.json.Decoder(_Product)
_order = msgspec.json.Decoder(_Order)


def read_segment(payload: bytes) -> Interaction:
    """Return the interaction of a Segment call.

    Raises:
        MalformedRecord, UnsupportedEvent: see `contracts.inputs.decode_event`.
    """
    call = strictly(payload, _call, _NAME)
    refuse_duplicate_keys(payload, _NAME)
    if call.type != "track":
        raise UnsupportedEvent(f"{_NAME}: a `{call.type[:80]}` call moves no affinity, only `track` does - at `$.type`")
    kind = KINDS.get(call.event or "")
    if kind is None:
        raise UnsupportedEvent(f"{_NAME}: {(call.event or '')[:80]!r} is none of {', '.join(KINDS)} - at `$.event`")
    track = strictly(payload, _track, _NAME)
    return Interaction(
        event_id=track.event_id,
        user_id=_user(track),
        kind=kind,
        product_ids=_products(kind, track.properties),
        occurred_at=_time(track),
    )


def _user(track: _Track) -> str:
    user = track.user_id or track.anonymous_id
    if not user:
        raise MalformedRecord(f"{_NAME}: `userId` or `anonymousId` is required - at `$`")
    return user


def _time(track: _Track) -> int:
    if track.timestamp:
        return time_at(track.timestamp, _NAME, "$.timestamp")
    if track.original_timestamp:
        return time_at(track.original_timestamp, _NAME, "$.originalTimestamp")
    if track.received_at:
        return time_at(track.received_at, _NAME, "$.receivedAt")
    raise MalformedRecord(f"{_NAME}: `timestamp` is required - at `$`")


def _products(kind: InteractionKind, properties: Raw) -> tuple[str, ...]:
    if kind is InteractionKind.PURCHASE:
        order = strictly(properties, _order, _NAME, "$.properties")
        return product_ids((each.product_id for each in order.products), _NAME, "$.properties.products")
    return (str(strictly(properties, _product, _NAME, "$.properties").product_id),)
