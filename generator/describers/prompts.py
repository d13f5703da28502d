"""The language model's prompts for a product. Raise the revision when any of them changes."""

from bannerstream.contracts.catalog import Product
from bannerstream.generator.describers.titles import clean

PROMPT_REVISION = "3"
"""Raise it when prompt, grammar or checks change, so that kept descriptions are replaced."""

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
"""Characters of a title in the prompt: the keyword lists behind them only distract."""


def prompt_of(product: Product) -> str:
    """Return a product in the examples' form: one line, without the title's line ends and control characters."""
    title = " ".join(clean(product.title)[:_TITLE].split())
    return f"Product: {title} ({product.category})\n"
