"""The lines of an order, or of a list, in Segment's and GA4's events."""

from collections.abc import Sequence
from typing import Any

from bannerstream.contracts.errors import MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs.refusals import field_names, shown
from bannerstream.contracts.inputs.strict import foreign_id, product_ids
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.contracts.scalars import ProductId

ABSENT = ("", "(not set)")
"""What stands where a tag manager, or GA4's export, had no value."""


def products_of(  # noqa: PLR0917  (two callers, which pass what they read in this order)
    lines: Sequence[dict[str, Any]],
    id_name: str,
    kind: InteractionKind,
    max_products: int,
    format_name: str,
    path: str,
) -> tuple[str, ...]:
    """Return the products that the lines name; gift wrap, shipping or a tip, which name none, are passed over.

    Raises:
        MalformedRecord: an id is wrong; there are too many; no line has one, and this is not an order.
        UnsupportedEvent: an order without a product.
    """
    named = [
        foreign_id(line[id_name], ProductId, format_name, f"{path}[{index}].{id_name}")
        for index, line in enumerate(lines)
        if line.get(id_name) is not None and line.get(id_name) not in ABSENT
    ]
    if named:
        return product_ids(named, max_products, format_name, path)
    if kind is InteractionKind.PURCHASE:
        raise UnsupportedEvent(
            f"{format_name}: no line of the order has a `{id_name}`; the first has {field_names(lines[0])}. If `sku` "
            f"or another is the catalogue's id, read it by a connect.toml - at `{path}`"
        )
    if id_name in lines[0]:
        raise MalformedRecord(
            f"{format_name}: {shown(lines[0][id_name])} names no product: write the catalogue's id - "
            f"at `{path}[0].{id_name}`"
        )
    raise MalformedRecord(f"{format_name}: missing required field `{id_name}` - at `{path}[0]`")
