"""Renders a banner: scene, ground under the words, product, words."""

import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import BannerCopy
from bannerstream.generator.layout.blocks import Block
from bannerstream.generator.layout.colours import as_hex, colour_of
from bannerstream.generator.layout.ink import Inks, draw_words
from bannerstream.generator.layout.legibility import make_readable
from bannerstream.generator.layout.products import place_product
from bannerstream.generator.layout.typesetter import typeset
from bannerstream.generator.pipeline.ports import ComposedBanner, Composition, Painting, PlacedText, ProductImage


def lay_out(
    painting: Painting,
    composition: Composition,
    words: BannerCopy,
    cohort: Cohort,
    product_image: ProductImage | None,
    *,
    locale: str = "en",
) -> ComposedBanner:
    """Return the finished banner.

    `locale` selects the Han letter shapes where the words alone are ambiguous. If the painting already holds the
    product, no product is laid over it.

    Raises:
        NoFontForScript: a letter of the words has no font on this system.
    """
    pixels = np.ascontiguousarray(painting.pixels).copy()
    block = typeset(words, composition, cohort, locale.split("-", maxsplit=1)[0])
    cut_out = product_image is not None and product_image.cut_out
    product_colour = colour_of(product_image.pixels) if product_image is not None and cut_out else None
    inks = make_readable(pixels, block, composition, cohort, product_colour)
    product = None
    if product_image is not None and composition.product is not None and not painting.holds_product:
        product = place_product(
            pixels,
            product_image,
            composition.product,
            composition.ground_y,
            light_side=painting.light_side,
            shadow=painting.shadow,
        )
    draw_words(pixels, block, inks)
    return ComposedBanner(pixels, composition, _placed_text(block, inks), product)


def _placed_text(block: Block, inks: Inks) -> tuple[PlacedText, ...]:
    return tuple(
        PlacedText(
            role=item.role,
            text=item.line.text,
            box=item.ink,
            colour=as_hex(inks.text[item.role]),
            font_size=item.font_size,
            bold=item.typeface.bold,
        )
        for item in block.placed
    )
