"""Variants: template × headline style × scene style, as values that an experiment chooses between.

A variant is part of the banner key, so two variants are two banners. `panel-light-airy` asks for that template and
those styles; any other name (`a`, `b`, …) leaves all three to the seed, with a different draw per name.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

Template = Literal["open", "panel", "frost", "spot", "centre", "diagonal", "arc"]
"""How words and picture share the banner: words on the scene, beside it on a field, on a pane of frosted glass, beside
a product before a disc, around a product in the middle, on a slanted field, on a field with a round edge."""
Headline = Literal["bold", "light", "offer"]
"""How the words are weighted: headline heavy, headline light and large, price and saving first."""
SceneStyle = Literal["natural", "airy", "dramatic"]
"""How the scene is exposed: as it is, high-key with soft shadows, low-key with a strong light."""

TEMPLATES: tuple[Template, ...] = get_args(Template)
HEADLINES: tuple[Headline, ...] = get_args(Headline)
SCENE_STYLES: tuple[SceneStyle, ...] = get_args(SceneStyle)


@dataclass(frozen=True, slots=True)
class Creative:
    """One combination of template, headline style and scene style."""

    template: Template = "open"
    headline: Headline = "bold"
    scene: SceneStyle = "natural"

    @property
    def variant(self) -> str:
        """Return the variant's name."""
        return f"{self.template}-{self.headline}-{self.scene}"


CREATIVES: tuple[Creative, ...] = tuple(Creative(*parts) for parts in product(TEMPLATES, HEADLINES, SCENE_STYLES))
"""Every combination."""
_BY_VARIANT = {creative.variant: creative for creative in CREATIVES}


def creative_of(variant: str) -> Creative | None:
    """Return the combination that a variant names, None where the seed chooses."""
    return _BY_VARIANT.get(variant)
