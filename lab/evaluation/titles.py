"""Shop titles as shops write them, each labelled by hand with what a picture of it should show (`titles.jsonl`).

Three parts, by how much the lexicon has seen of them: `words` (its lists were written beside these), `rules` (a title
here taught it a rule, never a word) and `unseen` (written after all of it, and never looked at to change anything).
Only the figures on `unseen` say what a shop will see: when one of its titles teaches anything, it moves to `rules`.
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
    """A title and what describes it rightly."""

    part: Part
    title: Annotated[str, Meta(min_length=1, max_length=500)]
    category: Category
    locale: Locale
    subjects: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Names that a shop assistant would accept for what is sold; the plainest first."""
    attributes: tuple[str, ...]
    """Colour, material and style that must be found."""
    accepted: tuple[str, ...] = ()
    """Attributes that are true, too, but that nobody would miss in a picture."""
    settings: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Where it may be at home; the likeliest first."""
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
