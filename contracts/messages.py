"""The messages that Bannerstream itself writes to its topics (docs/architecture.md, topics)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bannerstream.contracts.catalog import Cohort, Favourite, Product
from bannerstream.contracts.scalars import (
    BannerKey,
    CohortId,
    EventId,
    Locale,
    ObjectKey,
    ProductId,
    Rev,
    Sha256,
    SizeName,
    Timestamp,
    UserId,
    UserKey,
    Variant,
)

Epoch = Annotated[int, Meta(ge=1, description="Grows with every decision of one visitor")]
EngineTier = Literal["studio", "diffusers"]


class BannerRequest(Struct, frozen=True, kw_only=True):
    """Asks for one banner. Carries every source that the generator needs; idempotent by its key."""

    banner_key: BannerKey
    product: Product
    cohort: Cohort
    locale: Locale
    variant: Variant
    creative_revision: Annotated[str, Meta(min_length=1, max_length=64)]
    requested_at: Timestamp
    event_appended_at: Timestamp
    """When the broker accepted the event that caused the request: the start of the event-to-ready clock."""
    favourites: Annotated[tuple[Favourite, ...], Meta(max_length=12)] = ()
    """The cohort's top products, best first: they shape the picture where it is painted in the cohort's own style."""
    repairs_revision: Annotated[int, Meta(ge=0)] = 0
    """Above 0: what was stored up to this revision was found broken. A generator reads the blobs of the banner that is
    there; unless they are whole, it makes the banner again, under a higher revision."""


class Assignment(Struct, frozen=True, kw_only=True):
    """Which banner one visitor should see from now on. The highest epoch wins."""

    user_key: UserKey
    epoch: Epoch
    banner_key: BannerKey
    product_id: ProductId
    cohort_id: CohortId
    decided_at: Timestamp
    """The event time that the decision rests on: the same after every replay."""
    variant: Variant = "a"


class Rendition(Struct, frozen=True, kw_only=True):
    """One encoded picture of a banner."""

    size: SizeName
    blob_key: ObjectKey
    width: Annotated[int, Meta(ge=16, le=4096)]
    height: Annotated[int, Meta(ge=16, le=4096)]
    bytes: Annotated[int, Meta(ge=1)]
    sha256: Sha256
    media_type: Literal["image/webp", "image/jpeg"]


class BannerReady(Struct, frozen=True, kw_only=True):
    """A banner can be fetched: its manifest and every blob it names are readable."""

    banner_key: BannerKey
    manifest_key: ObjectKey
    product_id: ProductId
    cohort_id: CohortId
    renditions: Annotated[tuple[Rendition, ...], Meta(min_length=1, max_length=32)]
    engine: EngineTier
    revision: Annotated[int, Meta(ge=1)]
    ready_at: Timestamp
    event_appended_at: Timestamp
    variant: Variant = "a"
    headline: Annotated[str, Meta(max_length=80)] = ""
    """What the banner says: for those who cannot see it."""


ALL_LOCALES = "*"
"""The locale of a refusal that holds whatever the language of the banner."""

RefusalCode = Literal["words", "picture", "letters", "unmakeable"]


class Refusal(Struct, frozen=True, kw_only=True):
    """One revision of a product can have no banner. Another revision is not refused: readers pass over this one."""

    product_id: ProductId
    locale: Annotated[str, Meta(pattern=r"^(\*|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)$(?!\n)", max_length=35)]
    """The language of the refused banners; `*`: every language."""
    rev: Rev
    """The revision of the product that is refused."""
    code: RefusalCode
    """`words`, `picture`: a gate blocks the product. `letters`: no font has them. `unmakeable`: a defect."""
    reason: Annotated[str, Meta(min_length=1, max_length=300)]
    refused_at: Timestamp
    banner_key: BannerKey | None = None
    """The request that was refused. Making this banner after all withdraws the refusal, unless a gate made it."""
    letters: Annotated[str, Meta(max_length=80)] = ""
    """Letters that no font had."""
    fonts: Annotated[str, Meta(max_length=64)] = ""
    """Hash of the fonts at hand, where letters were missing: a generator with other fonts tries again."""
    version: Annotated[str, Meta(max_length=64)] = ""
    """The version of Bannerstream that refused: another one tries again what was unmakeable."""


class Feedback(Struct, frozen=True, kw_only=True):
    """A visitor saw or clicked a banner. Says nothing of who it was.

    `event_id` is made of what the visitor was shown: the same feedback sent twice, even to two edge nodes, has one id.
    """

    event_id: EventId
    banner_key: BannerKey
    kind: Literal["impression", "click"]
    size: SizeName
    variant: Variant
    occurred_at: Timestamp
    cohort_id: CohortId | None = None
    product_id: ProductId | None = None
    engine: EngineTier | None = None
    epoch: Epoch | None = None
    click_to_visible_ms: Annotated[int, Meta(ge=0, le=600_000)] | None = None
    """From the visitor's last click to this banner's pixels on the screen, as the page measured it."""


class Erasure(Struct, frozen=True, kw_only=True):
    """Asks to forget a visitor. Goes to every partition: the events' partitioner decides which holds the visitor."""

    user_id: UserId
    requested_at: Timestamp
