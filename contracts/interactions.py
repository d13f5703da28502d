"""Interactions: what a visitor did, in the one form that the affinity core reads."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from bannerstream.contracts.scalars import PRODUCTS_CEILING, EventId, ProductId, Timestamp, UserId


class InteractionKind(StrEnum):
    """Kinds of interactions, from the weakest to the strongest signal."""

    VIEW = "view"
    CLICK = "click"
    CART = "cart"
    PURCHASE = "purchase"


class Interaction(Struct, frozen=True, kw_only=True):
    """One event of one visitor; an order names several products.

    An event is folded whole or dead-lettered whole, so that replaying a dead letter never counts anything twice.
    """

    event_id: EventId
    user_id: UserId
    kind: InteractionKind
    product_ids: Annotated[tuple[ProductId, ...], Meta(min_length=1, max_length=PRODUCTS_CEILING)]
    occurred_at: Timestamp
