"""The manifest of a banner: what was made, from what, by what, and how well it passed its gates."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.keys import manifest_object_key
from bannerstream.contracts.messages import BannerReady, EngineTier, Rendition
from bannerstream.contracts.scalars import BannerKey, CohortId, Locale, ProductId, Rev, SizeName, Timestamp, Variant


class Description(Struct, frozen=True, kw_only=True):
    """A product as a picture's words: the (subject, attributes, setting) of arXiv 2403.05578."""

    subject: Annotated[str, Meta(min_length=1, max_length=120)]
    attributes: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=60)], ...], Meta(max_length=8)]
    setting: Annotated[str, Meta(min_length=1, max_length=120)]
    describer: Annotated[str, Meta(max_length=200)]
    """What wrote it: `lexicon@1`, `transformers:<model>@<prompt revision>`."""
    fallback_reason: Annotated[str, Meta(max_length=300)] | None = None
    """Why the describer that was asked for did not write it."""


class BannerCopy(Struct, frozen=True, kw_only=True):
    """The words on a banner. Each is built from facts of the product record; an empty one is left out."""

    headline: Annotated[str, Meta(min_length=1, max_length=80)]
    line: Annotated[str, Meta(max_length=140)]
    call_to_action: Annotated[str, Meta(min_length=1, max_length=40)]
    eyebrow: Annotated[str, Meta(max_length=80)] = ""
    """The brand, small above the headline."""
    price: Annotated[str, Meta(max_length=40)] = ""
    """The price as the locale writes it."""
    former_price: Annotated[str, Meta(max_length=40)] = ""
    """Only where the record says `was`, and it was more."""
    saving: Annotated[str, Meta(max_length=12)] = ""
    """Percent off, computed from the two prices and rounded down."""


class PersonalStyle(Struct, frozen=True, kw_only=True):
    """How a picture was painted in its cohort's own style (PMG, arXiv 2404.08677)."""

    alpha: Annotated[float, Meta(ge=0, le=1)]
    """Weight of what the cohort likes against what is sold."""
    preference: tuple[str, ...]
    """Keywords of what the cohort likes."""
    target: tuple[str, ...]
    """Keywords of what the picture has to show."""
    preference_repeats: int
    target_repeats: int
    guidance: float
    """Factor on the painter's guidance."""
    candidates: int
    """Pictures that it was chosen from."""
    judged_by: str | None = None
    """The image-text model that chose; None where the first was taken."""
    d_p: float | None = None
    """Agreement with the preference, 0..1."""
    d_t: float | None = None
    """Agreement with the target, 0..1."""


class Provenance(Struct, frozen=True, kw_only=True):
    """How the scene was painted."""

    painter: Annotated[str, Meta(max_length=200)]
    """`studio@<revision>` or `diffusers:<pipeline class>`."""
    engine: EngineTier
    mode: Annotated[str, Meta(pattern=r"^(scene|whole)$(?!\n)")] = "scene"
    model: str | None = None
    model_revision: str | None = None
    adapter: str | None = None
    """The brand's adapter, `<file>@<first 16 hex digits of its sha256>`."""
    adapter_weight: float | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    scene: str | None = None
    """The studio scene that was drawn."""
    fallback_reason: Annotated[str, Meta(max_length=300)] | None = None
    """Why the painter that was asked for did not paint it."""
    personal: PersonalStyle | None = None
    """None: it was painted in the cohort's mood alone."""


class GateScore(Struct, frozen=True, kw_only=True):
    """One gate's verdict on one size."""

    gate: str
    size: SizeName
    score: float
    threshold: float
    passed: bool


class Area(Struct, frozen=True):
    """A rectangle of a banner in pixels, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Rejected(Struct, frozen=True, kw_only=True):
    """An attempt at a banner that was thrown away."""

    seed: int
    reason: Annotated[str, Meta(min_length=1, max_length=300)]


class Block(Struct, frozen=True, kw_only=True):
    """One revision of a product that a gate blocked, as versions before `banner.refusals` kept it in the bucket."""

    product_id: ProductId
    product_rev: Rev
    gate: Literal["words", "picture"]
    reason: Annotated[str, Meta(min_length=1, max_length=300)]
    blocked_at: Timestamp


class Manifest(Struct, frozen=True, kw_only=True):
    """Everything about one banner. Written after its blobs and before its ready event."""

    banner_key: BannerKey
    revision: Annotated[int, Meta(ge=1)]
    """Grows when another picture takes this one's place under the same key."""
    product_id: ProductId
    product_rev: Rev
    cohort_id: CohortId
    cohort_rev: Rev
    locale: Locale
    variant: Variant
    creative_revision: str
    description: Description
    words: BannerCopy
    provenance: Provenance
    seed: int
    templates: dict[SizeName, str]
    gates: tuple[GateScore, ...]
    renditions: Annotated[tuple[Rendition, ...], Meta(min_length=1, max_length=32)]
    stage_ms: dict[str, float]
    """Milliseconds per stage: describe, write, paint, lay_out, judge, encode, store."""
    created_at: Timestamp
    rejected: tuple[Rejected, ...] = ()
    """Attempts before this one, oldest first: a painter that failed, a black picture, a gate that turned it down."""
    products: dict[SizeName, Area] = {}
    """Where the product's visible pixels lie, per size. Sizes without a product that was laid over are left out."""
    provisional: bool = False
    """The studio's preview of a banner that a model is still to paint: the next generator replaces it."""


def ready_event(manifest: Manifest, *, ready_at: int, event_appended_at: int) -> BannerReady:
    """Return the message that announces a stored banner; times in epoch milliseconds."""
    return BannerReady(
        banner_key=manifest.banner_key,
        manifest_key=manifest_object_key(manifest.banner_key),
        product_id=manifest.product_id,
        cohort_id=manifest.cohort_id,
        renditions=manifest.renditions,
        engine=manifest.provenance.engine,
        revision=manifest.revision,
        ready_at=ready_at,
        event_appended_at=event_appended_at,
        variant=manifest.variant,
        headline=manifest.words.headline,
    )


PRODUCT_SHOWN = "product_shown"
"""The gate of a banner whose product's record names a picture: no banner that fails it is published."""


def shows_product(manifest: Manifest, product: Product) -> bool:
    """Return whether a banner shows the picture that its product's record names, where it names one.

    Banners of earlier versions have no such gate: there `products` says it, or the mode in which the painter paints the
    product itself.
    """
    if product.image_key is None or manifest.provenance.mode == "whole":
        return True
    if any(score.gate == PRODUCT_SHOWN and score.passed for score in manifest.gates):
        return True
    return {rendition.size for rendition in manifest.renditions} <= manifest.products.keys()
