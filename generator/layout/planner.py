"""Plans where things go on a banner, and chooses its template and styles.

A template is a way to make words readable beside a picture. All sizes of a banner share one template where their
proportions have it, so that a visitor who sees two sizes recognises the banner.
"""

import hashlib

from bannerstream.contracts.sizes import BannerSize
from bannerstream.contracts.variants import HEADLINES, TEMPLATES, Creative, SceneStyle, creative_of
from bannerstream.generator.layout.templates import WITH_PRODUCT, WORDS_ONLY, Fractions, Proportions, Template
from bannerstream.generator.pipeline.ports import Box, Composition

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"})
_DRAWN_SCENE_STYLES: tuple[SceneStyle, ...] = ("natural", "natural", "airy", "dramatic")
"""Scene styles that the seed chooses from; half of the scenes stay natural."""


def _name(template: Template, side: str) -> str:
    return f"{template.look}-{template.shape}-{side}{'' if template.product else '-words'}"


_BY_NAME = {_name(template, side): template for template in (*WITH_PRODUCT, *WORDS_ONLY) for side in ("start", "end")}


def plan(size: BannerSize, *, variant: str, seed: int, has_product: bool, locale: str = "en") -> Composition:
    """Return where words and product go on one size.

    The template follows from variant and seed alone, so all sizes of a banner share it where their proportions have it.
    Right-to-left locales mirror every template.
    """
    digest = hashlib.sha256(f"{variant}:{seed}".encode()).digest()
    requested = creative_of(variant)
    creative = requested or _drawn(digest)
    shape = shape_of(size)
    choices = [template for template in (WITH_PRODUCT if has_product else WORDS_ONLY) if template.shape == shape]
    template = min(
        choices, key=lambda template: (template.look != creative.template, digest[TEMPLATES.index(template.look)])
    )
    right_to_left = locale.split("-", maxsplit=1)[0] in _RIGHT_TO_LEFT
    at_end = right_to_left ^ (template.mirrors and digest[31] % 3 == 0)
    mirrored = at_end and template.mirrors
    return Composition(
        template=_name(template, "end" if mirrored else "start"),
        size=size,
        text=_box(template.text, size, mirrored=mirrored),
        product=_box(template.product, size, mirrored=mirrored) if template.product else None,
        ground_y=template.ground_y * size.height,
        right_to_left=right_to_left,
        aside=_box(template.aside, size, mirrored=mirrored) if template.aside else None,
        creative=creative,
    )


def _drawn(digest: bytes) -> Creative:
    """Return the seed's choice; templates are ranked, so that proportions without the first take the next."""
    return Creative(
        template=min(TEMPLATES, key=lambda look: digest[TEMPLATES.index(look)]),
        headline=HEADLINES[digest[30] % len(HEADLINES)],
        scene=_DRAWN_SCENE_STYLES[digest[29] % len(_DRAWN_SCENE_STYLES)],
    )


def template_of(composition: Composition) -> Template:
    """Return the template that a composition was planned with."""
    return _BY_NAME[composition.template]


def template_names() -> tuple[str, ...]:
    """Return the name of every template that `plan` may choose."""
    return tuple(_BY_NAME)


def is_mirrored(composition: Composition) -> bool:
    """Return whether the words stand on the right."""
    return "-end" in composition.template


def ground_box(composition: Composition) -> Box | None:
    """Return the field or pane under the words, None if the template has none."""
    ground = template_of(composition).ground
    return _box(ground, composition.size, mirrored=is_mirrored(composition)) if ground else None


def shape_of(size: BannerSize) -> Proportions:
    """Return the family of proportions that a size belongs to."""
    ratio = size.width / size.height
    if ratio >= 4.5:
        return "strip"
    if ratio >= 1.9:
        return "wide"
    return "compact" if size.width * size.height < 250_000 else "square"


def _box(fractions: Fractions, size: BannerSize, *, mirrored: bool) -> Box:
    x, y, width, height = fractions
    start = 1 - x - width if mirrored else x
    return Box(start * size.width, y * size.height, width * size.width, height * size.height)
