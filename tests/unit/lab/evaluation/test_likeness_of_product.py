"""Fidelity of a banner to the catalogue's product: 1 for its own pixels, and high enough after encoding."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.manifest import Area
from bannerstream.contracts.sizes import BILLBOARD, RECTANGLE, BannerSize
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator.paint_once import paint_once, product_image
from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.lab.evaluation.banners import FAITHFUL
from bannerstream.lab.evaluation.product_fidelity import fidelity, on, placed
from bannerstream.settings import GeneratorSettings

AREA = Area(x=30, y=20, width=120, height=80)
GROUND = np.random.default_rng(5).integers(0, 256, (140, 200, 3), dtype=np.uint8)


def disc(alpha: float = 1.0) -> Pixels:
    """A textured product with a soft rim, on nothing."""
    y, x = np.mgrid[-1:1:80j, -1:1:120j]
    cover = np.clip((1 - np.hypot(x, y)) * 12, 0, 1) * alpha
    texture = np.random.default_rng(6).integers(60, 200, (80, 120, 3), dtype=np.uint8)
    return np.dstack([texture, (cover * 255).astype(np.uint8)])


def banner_with(product: Pixels) -> Pixels:
    banner = GROUND.copy()
    window = banner[20:100, 30:150]
    window[:] = on(window, product)
    return banner


def test_untouched_pixels_score_one_whatever_lies_behind_them() -> None:
    assert fidelity(banner_with(disc()), disc(), AREA) == pytest.approx(1.0, abs=1e-4)


def test_a_darker_or_a_softer_product_scores_less() -> None:
    darker, softer = disc(), disc()
    darker[..., :3] = darker[..., :3] * 0.8
    softer[1:, :, :3] = softer[1:, :, :3] // 2 + softer[:-1, :, :3] // 2
    for spoilt in (darker, softer):
        score = fidelity(banner_with(spoilt), disc(), AREA)
        assert score is not None
        assert score < FAITHFUL


def test_a_product_of_glass_alone_is_not_judged() -> None:
    assert fidelity(banner_with(disc(0.5)), disc(0.5), AREA) is None


@pytest.mark.parametrize(("product_id", "size"), [("towels-stack", BILLBOARD), ("sun-hat", RECTANGLE)])
def test_fine_texture_reaches_the_browser(product_id: str, size: BannerSize) -> None:
    """The two example products that lose most under a scene's light and WebP."""
    found = read_catalogue(CATALOGUE)
    product = next(each for each in found.products if each.product_id == product_id)
    cohort = next(each for each in found.cohorts if each.cohort_id in product.cohorts)
    # A bold headline: an offer's badge may lie over the product's shoulder.
    once = paint_once(
        GeneratorSettings(),
        product,
        cohort,
        picture=found.images[product_id],
        size=size,
        variant="open-bold-natural",
    )
    picture = once.picture
    webp = next(file for file in picture.files if file.media_type == "image/webp")
    pixels = np.asarray(Image.open(BytesIO(webp.content)).convert("RGB"))
    assert picture.product is not None
    area = Area(picture.product.x, picture.product.y, picture.product.width, picture.product.height)
    catalogue = placed(product_image(found.images[product_id]).pixels, area)
    assert catalogue is not None
    score = fidelity(pixels, catalogue, area)
    assert score is not None
    assert score >= FAITHFUL
