r"""The bounded scalar types that every message is made of. Bounds are part of the contract.

Patterns end in `$(?!\n)`: Python's `$` alone also matches before a last line feed, JSON Schema's does not, and a user
id "u-7\n" would be somebody else than "u-7". Both dialects read the pair alike.
"""

from typing import Annotated

from msgspec import Meta

MAX_EVENT_BYTES = 900_000
"""Largest accepted input record, unless `input.max_record_bytes` says otherwise: a larger one could not be kept whole
as a dead letter (`contracts.dead_letter`). A Shopify order of 250 lines, each with its taxes, is about 300 kB."""
MAX_EVENT_PRODUCTS = 500
"""Most products of one event, unless `input.max_products` says otherwise. An order of 250 lines is accepted with room;
one of thousands is a reseller's, and stands for nobody's taste."""
PRODUCTS_CEILING = 10_000
"""What `input.max_products` may be raised to: an event is folded whole, and a worker answers nothing meanwhile."""

UNSEEN = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\ufffd"
"""Characters that no id holds: controls, spaces of any width, and U+FFFD, which stands for text that was broken."""
_VISIBLE = rf"^[^{UNSEEN}]+$(?!\n)"
_SLUG = r"^[a-z0-9][a-z0-9_-]*$(?!\n)"

EventId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_VISIBLE, description="Unique id of an event")]
UserId = Annotated[str, Meta(min_length=1, max_length=256, pattern=_VISIBLE, description="The shop's id of a visitor")]
ProductId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_VISIBLE, description="The shop's product id")]
CohortId = Annotated[str, Meta(min_length=1, max_length=64, pattern=_SLUG, description="Cohort id, a slug")]
Category = Annotated[str, Meta(min_length=1, max_length=64, pattern=_SLUG, description="Product category, a slug")]
Variant = Annotated[str, Meta(min_length=1, max_length=32, pattern=_SLUG, description="Choice of template and styles")]
Locale = Annotated[
    str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)", max_length=35, description="BCP 47 tag")
]
Rev = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)", description="Content hash: first 16 hex digits of SHA-256")]
UserKey = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="Keyed BLAKE2b-128 of the user id")]
BannerKey = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", description="SHA-256 of what shapes the picture")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
ObjectKey = Annotated[
    str, Meta(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][A-Za-z0-9/_.-]*$(?!\n)", description="S3 key")
]
HexColour = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}$(?!\n)", description="sRGB, lower case")]
Timestamp = Annotated[int, Meta(ge=0, le=253_402_300_799_999, description="Epoch milliseconds, UTC")]
SizeName = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$(?!\n)", description="Width x height in pixels")
]
Weight = Annotated[float, Meta(gt=0, le=1)]
Short = Annotated[str, Meta(min_length=1, max_length=80)]
Url = Annotated[str, Meta(max_length=2048, pattern=r'^(https?://|/)[^\s<>"]*$(?!\n)')]
