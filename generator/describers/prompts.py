"""What a language model is shown of a product. Raise the revision when any of it changes."""

from bannerstream.contracts.catalog import Product
from bannerstream.generator.describers.titles import clean

PROMPT_REVISION = "3"
"""Raise it when prompt, grammar or checks change: kept descriptions are then written anew."""

OPENING = """\
Product: Lindqvist Ceramic Teapot 1.2 l, White, with Strainer (kitchen)
Subject: teapot
Attributes: ceramic, white

Product: TREKA Men's Waterproof Hiking Boots GTX Brown EU 43 (outdoor)
Subject: hiking boots
Attributes: waterproof, brown

Product: Set of 2 Linen Cushion Covers 45x45 cm Sage Green (home)
Subject: cushion cover
Attributes: linen, sage green

"""
_TITLE = 160
"""Characters of a title that are shown: keyword lists behind them only distract."""


def prompt_of(product: Product) -> str:
    """Return a product as the examples have it: one line, whatever line ends or control characters the title has."""
    title = " ".join(clean(product.title)[:_TITLE].split())
    return f"Product: {title} ({product.category})\n"
