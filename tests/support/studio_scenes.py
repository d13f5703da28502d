"""Studio scenes with defaults for everything that a test does not set."""

from dataclasses import replace

import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import BannerSize
from bannerstream.contracts.variants import Creative, SceneStyle
from bannerstream.generator.pipeline.ports import Box, Composition, Painting, SceneRequest
from bannerstream.generator.studio import StudioPainter

WARM = ("#f4e3cf", "#dcbf9f", "#c98f57", "#c8553d")

SMALL = BannerSize(300, 250, 150_000)


def composition(size: BannerSize) -> Composition:
    width, height = size.width, size.height
    if width > 1.8 * height:
        text = Box(0.05 * width, 0.16 * height, 0.46 * width, 0.68 * height)
        product = Box(0.62 * width, 0.2 * height, 0.6 * height, 0.66 * height)
    else:
        text = Box(0.07 * width, 0.07 * height, 0.86 * width, 0.28 * height)
        product = Box(0.33 * width, 0.42 * height, 0.34 * width, 0.42 * height)
    return Composition("test", size, text, product, product.y + product.height, right_to_left=False)


def paint(
    setting: str = "kitchen",
    *,
    palette: tuple[str, ...] = WARM,
    light: str = "day",
    size: BannerSize = SMALL,
    seed: int = 1,
    settings: tuple[str, ...] = (),
    place: Composition | None = None,
    style: SceneStyle = "natural",
) -> Painting:
    cohort = Cohort(cohort_id="c", name="c", mood=("calm",), palette=palette, light=light, settings=settings)
    words = Description(subject="mug", attributes=(), setting=setting, describer="test")
    styled = replace(place or composition(size), creative=Creative(scene=style))
    return StudioPainter().paint([SceneRequest(words, cohort, styled, seed, None)])[0]


def difference(one: Painting, other: Painting) -> float:
    """Return the mean difference in 8-bit steps."""
    return float(np.abs(one.pixels.astype(int) - other.pixels.astype(int)).mean())
