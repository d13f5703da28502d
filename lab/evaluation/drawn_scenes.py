"""Drawn scenes with a known right answer, and degradations of them, to measure post-processing on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.layout.products import place_product
from bannerstream.generator.pipeline.ports import (
    Box,
    Composition,
    LightSide,
    Pixels,
    ProductImage,
    SceneRequest,
    Shadow,
)
from bannerstream.generator.studio import StudioPainter
from bannerstream.generator.studio.scenes import SCENES

SIZE = BannerSize(1024, 512, 500_000)
"""The widest pictures of a diffusion model."""
GROUND_Y = 445.0
STAND = Box(580, 60, 380, GROUND_Y - 60)
_WORDS = Box(50, 50, 400, 400)


@dataclass(frozen=True, slots=True)
class DrawnScene:
    """A scene that the studio drew, without and with a product."""

    setting: str
    bare: Pixels
    whole: Pixels
    light_side: LightSide
    shadow: Shadow
    product: Box
    product_image: ProductImage


def drawn_scenes(products: Sequence[ProductImage], cohorts: Sequence[Cohort], count: int) -> Iterator[DrawnScene]:
    """Yield `count` scenes of 1024 x 512, cycling through settings, cohorts and products. Always the same ones."""
    settings = sorted(SCENES)
    composition = Composition("measured", SIZE, _WORDS, STAND, GROUND_Y, right_to_left=False)
    for number in range(count):
        setting, cohort = settings[number % len(settings)], cohorts[number % len(cohorts)]
        image = products[number % len(products)]
        described = Description(subject="product", attributes=(), setting=setting, describer="measured")
        (painting,) = StudioPainter().paint([SceneRequest(described, cohort, composition, number, image)])
        whole = painting.pixels.copy()
        light = painting.light_side
        box = place_product(whole, image, STAND, GROUND_Y, light_side=light, shadow=painting.shadow)
        if box is not None:
            yield DrawnScene(setting, painting.pixels, whole, light, painting.shadow, box, image)


def noisy(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    """Return the picture with normal noise on every channel; `deviation` is of 255."""
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    spoilt: Pixels = np.clip(pixels + noise + 0.5, 0, 255).astype(np.uint8)
    return spoilt


def halved(pixels: Pixels) -> Pixels:
    """Return the picture at half its size."""
    height, width = pixels.shape[:2]
    return np.asarray(cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)


def tinted(pixels: Pixels, gains: tuple[float, float, float]) -> Pixels:
    """Return the picture under another light, equally bright: factors for red, green and blue in linear light."""
    linear = (pixels.astype(np.float64) / 255) ** 2.2 * np.array(gains)
    linear *= ((pixels / 255) ** 2.2).mean() / max(linear.mean(), 1e-9)
    spoilt: Pixels = (np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)
    return spoilt


def moved(scene: DrawnScene, top: float) -> tuple[Pixels, Pixels]:
    """Return the scene with its product moved to `top` (a share of the height), and a mask of its pixels (255).

    A model in mode `whole` may paint the product at any height.
    """
    picture, mask = scene.bare.copy(), np.zeros(scene.bare.shape[:2], np.uint8)
    side = scene.bare.shape[0] * 0.36
    ground = top * (scene.bare.shape[0] - side) + side
    box = Box(scene.bare.shape[1] * 0.4, ground - side, side * 1.4, side)
    place_product(picture, scene.product_image, box, ground, light_side=scene.light_side, shadow=scene.shadow)
    changed = np.abs(picture.astype(np.int16) - scene.bare).max(axis=2) > 40
    mask[changed] = 255
    return picture, mask
