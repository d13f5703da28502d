"""Segment's e-commerce spec, version 2: `track` calls as a Segment destination or library delivers them.

Read are Product Viewed, Product Clicked, Product Added and Order Completed, each with its `product_id`. The visitor is
`userId`, or `anonymousId` as long as nobody is logged in.

The time is `timestamp`, which Segment corrects for the skew of the visitor's clock. A library that posts past Segment's
servers sends `originalTimestamp` only: the visitor's clock, still when it happened. `receivedAt` comes last: it is the
time of arrival, and batches arrive out of order.

A record may also hold the body of Segment's batch API, `{"batch": [...]}`: each of its calls is an event of its own.

Sources: Segment's "Spec: Track", "Spec: Common fields", "HTTP API: Batch" and "Spec: V2 Ecommerce events".
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from bannerstream.contracts.errors import MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs.lines import products_of
from bannerstream.contracts.inputs.refusals import shown
from bannerstream.contracts.inputs.strict import foreign_id, strictly, time_at
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.scalars import EventId, ProductId, UserId

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
    user_id: Any = field(name="userId", default=None)
    anonymous_id: Any = field(name="anonymousId", default=None)
    timestamp: _Time | None = None
    original_timestamp: _Time | None = field(name="originalTimestamp", default=None)
    received_at: _Time | None = field(name="receivedAt", default=None)
    properties: Any


class _Product(Struct, frozen=True):
    product_id: Any


class _Order(Struct, frozen=True):
    products: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)]


class _Batch(Struct, frozen=True):
    batch: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)]


def split_segment(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of a batch; of any other body, itself.

    Raises:
        MalformedRecord: the batch is not a list of calls.
    """
    return list(strictly(tree, _Batch, _NAME).batch) if "batch" in tree and "type" not in tree else [tree]


def read_segment(tree: dict[str, Any], max_products: int) -> Interaction:
    """Return the interaction of a Segment call.

    Raises:
        MalformedRecord, UnsupportedEvent: see `contracts.inputs.decode_record`.
    """
    call = strictly(tree, _Call, _NAME)
    if call.type != "track":
        raise UnsupportedEvent(f"{_NAME}: a `{call.type[:80]}` call moves no affinity, only `track` does - at `$.type`")
    kind = KINDS.get(call.event or "")
    if kind is None:
        raise UnsupportedEvent(f"{_NAME}: {shown(call.event or '')} is none of {', '.join(KINDS)} - at `$.event`")
    track = strictly(tree, _Track, _NAME)
    return Interaction(
        event_id=track.event_id,
        user_id=_user(track),
        kind=kind,
        product_ids=_products(kind, track.properties, max_products),
        occurred_at=_time(track),
    )


def _user(track: _Track) -> str:
    for name, value in (("userId", track.user_id), ("anonymousId", track.anonymous_id)):
        if value is not None and value != "":
            return foreign_id(value, UserId, _NAME, f"$.{name}")
    raise MalformedRecord(f"{_NAME}: `userId` or `anonymousId` is required - at `$`")


def _time(track: _Track) -> int:
    if track.timestamp:
        return time_at(track.timestamp, _NAME, "$.timestamp")
    if track.original_timestamp:
        return time_at(track.original_timestamp, _NAME, "$.originalTimestamp")
    if track.received_at:
        return time_at(track.received_at, _NAME, "$.receivedAt")
    raise MalformedRecord(f"{_NAME}: `timestamp` is required - at `$`")


def _products(kind: InteractionKind, properties: Any, max_products: int) -> tuple[str, ...]:
    if kind is not InteractionKind.PURCHASE:
        product = strictly(properties, _Product, _NAME, "$.properties")
        return (foreign_id(product.product_id, ProductId, _NAME, "$.properties.product_id"),)
    lines = strictly(properties, _Order, _NAME, "$.properties").products
    return products_of(lines, "product_id", kind, max_products, _NAME, "$.properties.products")
