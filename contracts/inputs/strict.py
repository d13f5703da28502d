"""What every format shares: reading fields that fails in one way only, and ids as foreign shops write them."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.inputs.json_tree import DOUBLED, twice
from bannerstream.contracts.inputs.refusals import in_words, shown
from bannerstream.contracts.times import epoch_ms

_T = TypeVar("_T")

_EXACT_FLOAT = 2**53
"""Above this a JSON number with a fraction is not exact: 820982911946154508.0 is another id."""
_PLAIN = 128
"""Characters that any id may have."""
FOREIGN_NUMBERS = range(2**63)
"""Ids that are numbers: Segment's and GA4's libraries send them so where the shop's database has them so."""


def strictly(tree: object, kind: type[_T], format_name: str, path: str = "$") -> _T:
    """Return what `tree`, which stands at `path` of the record, is as `kind`.

    Raises:
        MalformedRecord: it is not; the message names the format and the field's path.
    """
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise MalformedRecord(f"{format_name}: {in_words(str(error), tree, path)}") from error


def foreign_id(value: Any, bounds: Any, format_name: str, path: str, numbers: range = FOREIGN_NUMBERS) -> str:
    """Return an id as text; the whole number 1234, or 1234.0, is "1234".

    Raises:
        MalformedRecord: it is neither text within `bounds` nor a number within `numbers`.
    """
    if type(value) is str and 0 < len(value) <= _PLAIN and value.isascii() and value.isprintable() and " " not in value:
        return value  # what most ids are, in a tenth of the time that their pattern takes
    if value is DOUBLED:
        raise MalformedRecord(f"{format_name}: {twice(path.rsplit('.', 1)[-1])} - at `{path}`")
    text = value
    if type(value) is int and value in numbers:
        text = str(value)
    elif type(value) is float and value.is_integer() and 0 <= value <= _EXACT_FLOAT:
        text = str(int(value))
    elif not isinstance(value, str):
        what = "has a fraction, or is too large to be exact" if type(value) is float else "is not an id"
        raise MalformedRecord(f"{format_name}: {shown(value)} {what}: write it as text - at `{path}`")
    return strictly(text, bounds, format_name, path)  # type: ignore[no-any-return]  # an annotated `str`


def time_at(time: int | str, format_name: str, path: str) -> int:
    """Return a time as epoch milliseconds.

    Raises:
        MalformedRecord: not a time, or without time zone.
    """
    try:
        return epoch_ms(time)
    except ValueError as error:
        raise MalformedRecord(f"{format_name}: {error} - at `{path}`") from error


def product_ids(named: Iterable[str], max_products: int, format_name: str, path: str) -> tuple[str, ...]:
    """Return the products of one event, each once, in order.

    Raises:
        MalformedRecord: there are more than `max_products`.
    """
    distinct = tuple(dict.fromkeys(named))
    if len(distinct) > max_products:
        raise MalformedRecord(
            f"{format_name}: an event names 1 to {max_products} products, this one {len(distinct)}: "
            f"raise input.max_products, or write smaller orders - at `{path}`"
        )
    return distinct
