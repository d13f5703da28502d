"""Plain scenes, products and words for the layout's tests."""

import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import BannerCopy, Provenance
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.pipeline.ports import Painting, ProductImage

COHORTS = (
    Cohort(
        cohort_id="cosy", name="Cosy", mood=("warm",), palette=("#f6dcc9", "#e2a07c", "#c2552d"), typeface="grotesk"
    ),
    Cohort(cohort_id="fresh", name="Fresh", mood=("fresh",), palette=("#dcebf7", "#a4c8e6", "#1f5f9f")),
    Cohort(
        cohort_id="fine", name="Fine", mood=("refined",), palette=("#fbf7ec", "#d2bd97", "#7d5c35"), typeface="serif"
    ),
)
WORDS = BannerCopy(
    headline="Slow mornings, warm hands",
    line="Terracotta stoneware mug · 350 ml",
    call_to_action="Shop mugs",
    eyebrow="Hearth & Clay",
    price="€24.00",
    former_price="€32.00",
    saving="−25%",
)


def scene(size: BannerSize, kind: str) -> Painting:
    """Return a dark, a light, or a restless scene."""
    rng = np.random.default_rng(7)
    across = np.linspace(0, 1, size.width)[None, :, None]
    base = {"dark": 20 + 40 * across, "light": 250 - 40 * across, "restless": 60 + 140 * across}[kind]
    noise = rng.normal(0, 40 if kind == "restless" else 2, (size.height, size.width, 1))
    pixels = np.clip(base + noise + np.array([8.0, 0.0, -8.0]), 0, 255).astype(np.uint8)
    return Painting(pixels, "left", Provenance(painter="test", engine="studio"))


def cut_out(colour: tuple[int, int, int] = (190, 60, 40)) -> ProductImage:
    """Return an oval product on a transparent ground."""
    y, x = np.mgrid[-1:1:200j, -1:1:160j]
    inside = (x / 0.8) ** 2 + (y / 0.9) ** 2 < 1
    pixels = np.zeros((200, 160, 4), np.uint8)
    pixels[inside] = (*colour, 255)
    return ProductImage(pixels, cut_out=True)


def photograph() -> ProductImage:
    """Return an opaque picture whose upper half is red and whose lower half is blue."""
    pixels = np.full((120, 180, 4), 255, np.uint8)
    pixels[:60, :, :3] = (200, 30, 30)
    pixels[60:, :, :3] = (30, 30, 200)
    return ProductImage(pixels, cut_out=False)
