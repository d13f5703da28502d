"""Real shop titles, labelled by hand with what a picture should show (`titles.jsonl`).

Three parts, by how far the lexicon was developed on them: `words` (its word lists were written with these), `rules`
(led to a rule, never to a word) and `unseen` (written afterwards, and never used to change anything). Only the figures
on `unseen` predict a shop's results: when a title leads to a change, it moves to `rules`.
"""

from importlib.resources import files
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.scalars import Category, Locale

Part = Literal["words", "rules", "unseen"]
PARTS: tuple[Part, ...] = get_args(Part)


class LabelledTitle(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A title and its correct description."""

    part: Part
    title: Annotated[str, Meta(min_length=1, max_length=500)]
    category: Category
    locale: Locale
    subjects: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Names that a shop assistant would accept for the product; the plainest first."""
    attributes: tuple[str, ...]
    """Colour, material and style that must be found."""
    accepted: tuple[str, ...] = ()
    """Attributes that are also true, but not required."""
    settings: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Fitting settings; the likeliest first."""
    brand: str | None = None

    def product(self, number: int) -> Product:
        """Return the title as a product."""
        return Product(
            product_id=f"labelled-{number}",
            title=self.title,
            brand=self.brand,
            category=self.category,
            locale=self.locale,
            cohorts={"any": 1.0},
        )


def labelled_titles(*parts: Part) -> list[LabelledTitle]:
    """Return the titles of these parts, in the file's order; of all parts when none is named."""
    lines = (files("bannerstream.lab.evaluation") / "titles.jsonl").read_bytes()
    titles = msgspec.json.Decoder(LabelledTitle).decode_lines(lines)
    return [each for each in titles if not parts or each.part in parts]
