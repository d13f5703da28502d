"""Shared by all formats: decoding with one kind of error, and product ids as foreign shops write them."""

import json
from collections.abc import Iterable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.scalars import ProductId
from bannerstream.contracts.times import epoch_ms

_T = TypeVar("_T")

ForeignProductId = ProductId | Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Segment's and GA4's libraries send an id as a number when the shop's database has it so: 1234 is read as "1234"."""

ForeignUserId = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x20\x7f-\x9f]*$(?!\n)")]
"""Empty where a tag manager had no value: read as absent."""


def strictly(
    payload: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[_T]", format_name: str, path: str = "$"
) -> _T:
    """Return the decoded `payload`, which is at `path` in the record.

    Raises:
        MalformedRecord: it does not decode; names the format and the field's path.
    """
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).replace("`$", f"`{path}")
        where = "" if f"`{path}" in reason else f" - at `{path}`"
        raise MalformedRecord(f"{format_name}: {reason}{where}") from error


def time_at(time: int | str, format_name: str, path: str) -> int:
    """Return a time as epoch milliseconds.

    Raises:
        MalformedRecord: not a time, or without time zone.
    """
    try:
        return epoch_ms(time)
    except ValueError as error:
        raise MalformedRecord(f"{format_name}: {error} - at `{path}`") from error


def product_ids(named: Iterable[str | int], format_name: str, path: str) -> tuple[str, ...]:
    """Return the products of one event as text, each once, in order.

    Raises:
        MalformedRecord: there is none, or more than 100.
    """
    distinct = tuple(dict.fromkeys(str(each) for each in named))
    if not 1 <= len(distinct) <= 100:
        raise MalformedRecord(
            f"{format_name}: an event names 1 to 100 products, this one {len(distinct)} - at `{path}`"
        )
    return distinct


def refuse_duplicate_keys(payload: bytes, format_name: str) -> None:
    """Reject an object with a duplicate key: two readers could read two different events (RFC 8259 §4).

    Raises:
        MalformedRecord: there is such an object, or bytes that are not UTF-8 where the format does not look.
    """
    try:
        _duplicates.decode(payload.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedRecord(f"{format_name}: {str(error)[:200]}") from error


def _refuse_twice(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key `{twice[:80]}` stands twice in one object")


_duplicates = json.JSONDecoder(object_pairs_hook=_refuse_twice)
