"""Products and cohorts, as the catalogue topics carry them."""

import hashlib
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from bannerstream.contracts.codecs import canonical_json
from bannerstream.contracts.scalars import (
    Category,
    CohortId,
    HexColour,
    Locale,
    ObjectKey,
    ProductId,
    Rev,
    Short,
    Url,
    Weight,
)

Amount = Annotated[
    str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$(?!\n)", description="Decimal, in the currency's unit")
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)", description="ISO 4217")]


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """A price as the shop states it; `was` only when the shop itself shows a former price."""

    amount: Amount
    currency: Currency
    was: Amount | None = None


class Product(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One product: every fact that a banner may state, and nothing else.

    `rev` is the content hash of all other fields (`content_rev`): it is filled on loading and checked after.
    """

    product_id: ProductId
    title: Annotated[str, Meta(min_length=1, max_length=500)]
    category: Category
    cohorts: Annotated[dict[CohortId, Weight], Meta(min_length=1, max_length=32)]
    description: Annotated[str, Meta(max_length=4000)] = ""
    highlights: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=120)], ...], Meta(max_length=8)] = ()
    brand: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    price: Price | None = None
    image_key: ObjectKey | None = None
    link: Url | None = None
    locale: Locale = "en"
    rev: Rev | None = None


class Cohort(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of visitors with a taste: the mood, colours and light of its banners.

    `palette` runs from the lightest ground to the strongest accent. `settings` are preferred scenes, best first.
    """

    cohort_id: CohortId
    name: Short
    mood: Annotated[tuple[Short, ...], Meta(min_length=1, max_length=8)]
    palette: Annotated[tuple[HexColour, ...], Meta(min_length=3, max_length=6)]
    light: Annotated[str, Meta(pattern=r"^(morning|day|golden|evening)$(?!\n)")] = "day"
    settings: Annotated[tuple[Short, ...], Meta(max_length=6)] = ()
    typeface: Annotated[str, Meta(pattern=r"^(sans|serif|grotesk)$(?!\n)")] = "sans"
    rev: Rev | None = None


class Favourite(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of the products that a cohort likes best: as much of it as tells what they like."""

    title: Annotated[str, Meta(min_length=1, max_length=120)]
    category: Category
    locale: Locale = "en"


_Record = TypeVar("_Record", Product, Cohort)


def content_rev(record: _Record) -> str:
    """Return the content hash of a product or cohort: 16 hex digits over every field but `rev`."""
    return hashlib.sha256(canonical_json(msgspec.structs.replace(record, rev=None))).hexdigest()[:16]


def with_rev(record: _Record) -> _Record:
    """Return the record with its `rev` filled from its content."""
    return msgspec.structs.replace(record, rev=content_rev(record))
