"""Labelled scenes without products: training data for a small diffusion model.

`draw_scene(SceneLabels("kitchen", "sage", "morning", "summer"), 512, 128, seed=1)` draws one; `random_labels` chooses
labels evenly. No product, no words: the place of a product is as calm as in a banner.
"""

from dataclasses import dataclass
from random import Random

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import BannerSize
from bannerstream.contracts.variants import Creative, SceneStyle
from bannerstream.generator.pipeline.ports import Box, Composition, Pixels, SceneRequest
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.painter import StudioPainter
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.generator.studio.season import SEASONS, Season

PALETTES: dict[str, tuple[str, ...]] = {
    "honey": ("#fbe9c3", "#f0c878", "#b4572a", "#e39b1f"),
    "blue": ("#dcebf7", "#a4c8e6", "#6fb7d6", "#3b82c4"),
    "sage": ("#e6eedd", "#b9cda6", "#8fb37a", "#6d9460"),
    "blush": ("#fde6e6", "#f6bfc4", "#ee9db0", "#e5798a"),
    "terracotta": ("#f6dcc9", "#e2a07c", "#8f3f2a", "#c2552d"),
    "lavender": ("#ece4f8", "#c7b2e6", "#b58ad0", "#8b62c4"),
    "cream": ("#fbf7ec", "#ece2cd", "#bba88a", "#d2bd97"),
    "charcoal": ("#8d9298", "#5c6269", "#a7835a", "#3c4249"),
}
"""Palettes by their names in prompts, from the lightest ground to the accent."""
SEASONED = frozenset({"garden", "trail"})
"""Settings in which the season is visible; elsewhere its label would carry no information."""


@dataclass(frozen=True, slots=True)
class SceneLabels:
    """The labels of a scene."""

    setting: str
    """One of `SCENES`."""
    palette: str
    """One of `PALETTES`."""
    light: str
    """One of `LIGHTS`."""
    season: Season = "summer"
    style: SceneStyle = "natural"


def random_labels(rng: Random) -> SceneLabels:
    """Return evenly distributed labels; the season is summer wherever it is not visible."""
    setting = rng.choice(list(SCENES))
    return SceneLabels(
        setting,
        rng.choice(list(PALETTES)),
        rng.choice(list(LIGHTS)),
        rng.choice(SEASONS) if setting in SEASONED else "summer",
    )


def draw_scene(labels: SceneLabels, width: int, height: int, *, seed: int) -> Pixels:
    """Return a scene as RGB, height x width x 3; the same labels, size and seed give the same picture.

    The seed places words and product, so that scenes leave room on either side.

    Raises:
        KeyError: a label is unknown.
    """
    if labels.setting not in SCENES or labels.light not in LIGHTS:
        raise KeyError(f"no scene for {labels}")
    cohort = Cohort(
        cohort_id="sample", name="Sample", mood=("plain",), palette=PALETTES[labels.palette], light=labels.light
    )
    setting = f"{labels.season} {labels.setting}" if labels.setting in SEASONED else labels.setting
    words = Description(subject="none", attributes=(), setting=setting, describer="samples")
    place = _place(width, height, Random(seed), labels.style)
    return StudioPainter().paint([SceneRequest(words, cohort, place, seed, None)])[0].pixels


def _place(width: int, height: int, rng: Random, style: SceneStyle) -> Composition:
    size = BannerSize(width, height, 150_000)
    # Smaller than in a banner, so that what identifies a setting has room beside them.
    if width > 1.5 * height:
        text_x, product_x = (0.08, 0.46) if rng.random() < 0.5 else (0.64, 0.36)
        text = Box(text_x * width, 0.2 * height, 0.28 * width, 0.4 * height)
        product = Box(product_x * width, 0.3 * height, 0.18 * width, 0.56 * height)
    else:
        text = Box(0.2 * width, 0.07 * height, 0.6 * width, 0.2 * height)
        product = Box(0.35 * width, 0.5 * height, 0.3 * width, 0.33 * height)
    ground = product.y + product.height
    return Composition("sample", size, text, product, ground, right_to_left=False, creative=Creative(scene=style))
