"""Google Analytics 4: bodies of the Measurement Protocol, and rows of the BigQuery export.

Read are view_item, select_item, add_to_cart and purchase, each with `items[].item_id`. The visitor is `user_id`, or
else the device: `client_id`, `app_instance_id`, or `user_pseudo_id` in a row of the export.

A body may hold several events. Each that moves affinities counts, at its own time; the others (session_start, scroll)
are passed over. `split_ga4` makes a body of each, which is also its dead letter, and its copy where the stream
repartitions.

The id: GA4 events have none, so one is derived that a resend keeps: from visitor and `transaction_id` for an order,
from the bytes for all else. The time: `timestamp_micros` of the event, or of the body, or, as the protocol has it for
bodies without one, the time of arrival.

Sources: Google's "Measurement Protocol reference (Google Analytics 4)" and "[GA4] BigQuery Export schema".
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from bannerstream.contracts.errors import MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs.lines import products_of
from bannerstream.contracts.inputs.refusals import shown
from bannerstream.contracts.inputs.strict import foreign_id, strictly, time_at
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.scalars import UserId

_NAME = "ga4"

KINDS = {
    "view_item": InteractionKind.VIEW,
    "select_item": InteractionKind.CLICK,
    "add_to_cart": InteractionKind.CART,
    "purchase": InteractionKind.PURCHASE,
}

_USERS = ("user_id", "client_id", "app_instance_id", "user_pseudo_id")
_MAX_DIGITS = 18
_Micros = Annotated[int, Meta(ge=0, le=253_402_300_799_999_999)] | str
"""BigQuery writes 64-bit integers as JSON strings, and the protocol's own examples do both."""


class _Happened(Struct, frozen=True):
    name: str
    params: Any = msgspec.field(default_factory=dict)
    timestamp_micros: _Micros | None = None


class _Body(Struct, frozen=True):
    """A body of the protocol, or a row of the export, which is one event: `event_name` and what goes with it."""

    user_id: Any = None
    client_id: Any = None
    app_instance_id: Any = None
    user_pseudo_id: Any = None
    timestamp_micros: _Micros | None = None
    event_timestamp: _Micros | None = None
    event_name: str | None = None
    events: tuple[_Happened, ...] | None = None


class _Params(Struct, frozen=True):
    """The parameters of one event. A row of the export holds the same items, and `ecommerce` beside them."""

    items: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)]
    transaction_id: str | int | None = None
    ecommerce: "_Ecommerce | None" = None


class _Ecommerce(Struct, frozen=True):
    transaction_id: str | int | None = None


def split_ga4(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one body for each event that moves affinities; a body with one such event, or none, as it is.

    Each has the index that its event had, so that two equal events keep different ids.

    Raises:
        MalformedRecord: see `contracts.inputs.decode_record`.
    """
    happened = strictly(tree, _Body, _NAME).events or ()
    counting = [index for index, event in enumerate(happened) if event.name in KINDS]
    if len(counting) < 2:
        return [tree]
    return [{**tree, "events": [tree["events"][index]], "bannerstream_index": index} for index in counting]


def read_ga4(tree: dict[str, Any], payload: bytes, received_at: int, max_products: int) -> Interaction:
    """Return the interaction of a body of one event, whose bytes are `payload`, or of an exported row.

    Raises:
        MalformedRecord, UnsupportedEvent: see `contracts.inputs.decode_record`.
    """
    body = strictly(tree, _Body, _NAME)
    if body.events is None:
        kind = KINDS.get(body.event_name or "")
        if kind is None:
            named = shown(body.event_name or "")
            raise UnsupportedEvent(f"{_NAME}: {named} is none of {', '.join(KINDS)} - at `$.event_name`")
        path, params = "$", strictly(tree, _Params, _NAME)
        occurred_at = _occurred_at("$.event_timestamp", body.event_timestamp, body.timestamp_micros)
    else:
        index, event = _counting(body.events)
        kind, path = KINDS[event.name], f"$.events[{index}].params"
        params = strictly(event.params, _Params, _NAME, path)
        occurred_at = _occurred_at(f"$.events[{index}].timestamp_micros", event.timestamp_micros, body.timestamp_micros)
    products = products_of(params.items, "item_id", kind, max_products, _NAME, f"{path}.items")
    user = _user(body)
    return Interaction(
        event_id=_event_id(kind, params, user, payload),
        user_id=user,
        kind=kind,
        product_ids=products,
        occurred_at=received_at if occurred_at is None else occurred_at,
    )


def _counting(events: Sequence[_Happened]) -> tuple[int, _Happened]:
    for index, event in enumerate(events):
        if event.name in KINDS:
            return index, event
    raise UnsupportedEvent(f"{_NAME}: none of its events is one of {', '.join(KINDS)} - at `$.events`")


def _user(body: _Body) -> str:
    for name in _USERS:
        value = getattr(body, name)
        if value is not None and value != "":
            return foreign_id(value, UserId, _NAME, f"$.{name}")
    raise MalformedRecord(f"{_NAME}: `user_id`, `client_id` or `user_pseudo_id` is required - at `$`")


def _occurred_at(path: str, *micros: int | str | None) -> int | None:
    stated = next((each for each in micros if each is not None), None)
    if stated is None:
        return None
    if isinstance(stated, str) and not (stated.isascii() and stated.isdigit() and len(stated) <= _MAX_DIGITS):
        raise MalformedRecord(f"{_NAME}: {shown(stated)} is not a number of microseconds since 1970 - at `{path}`")
    return time_at(int(stated) // 1000, _NAME, path)


def _event_id(kind: InteractionKind, params: _Params, user: str, payload: bytes) -> str:
    transaction = _transaction(params) if kind is InteractionKind.PURCHASE else None
    named_by = payload if transaction is None else msgspec.json.encode(("purchase", user, transaction))
    return f"ga4-{hashlib.blake2b(named_by, digest_size=16).hexdigest()}"


def _transaction(params: _Params) -> str | None:
    stated = params.transaction_id
    if stated is None and params.ecommerce is not None:
        stated = params.ecommerce.transaction_id
    return None if stated is None or stated == "" else str(stated)
