"""The studio paints every set in every light and size, repeatably, and keeps words and product's places calm."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.generator.pipeline.ports import Box, Composition, Pixels
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.scenes import SCENES
from tests.support.studio_scenes import SMALL, composition, difference, paint

COOL = ("#e8f1f5", "#a9cbd9", "#2a6f97")


def unrest(pixels: Pixels, box: Box, cell: int) -> float:
    """Return the median standard deviation of luminance over square cells inside a box."""
    luminance = pixels @ np.array([0.2126, 0.7152, 0.0722])
    part = luminance[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
    cells = [
        part[y : y + cell, x : x + cell].std()
        for y in range(0, part.shape[0] - cell + 1, cell)
        for x in range(0, part.shape[1] - cell + 1, cell)
    ]
    return float(np.median(cells))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("scene", SCENES)
def test_every_set_fills_every_size_in_every_light(scene: str, light: str, size: BannerSize) -> None:
    painting = paint(scene, light=light, size=size)
    assert painting.pixels.shape == (size.height, size.width, 3)
    assert painting.pixels.dtype == np.uint8
    assert painting.provenance.scene == scene
    assert 30 < painting.pixels.mean() < 245
    assert painting.pixels.std() > 4


@pytest.mark.parametrize("scene", SCENES)
def test_the_seed_decides_everything(scene: str) -> None:
    assert np.array_equal(paint(scene, seed=7).pixels, paint(scene, seed=7).pixels)
    assert difference(paint(scene, seed=7), paint(scene, seed=8)) > 2


def test_threads_may_share_one_painter() -> None:
    with ThreadPoolExecutor(4) as threads:
        pictures = list(threads.map(lambda seed: paint("garden", seed=seed % 2), range(8)))
    for at, picture in enumerate(pictures):
        assert np.array_equal(picture.pixels, pictures[at % 2].pixels)


@pytest.mark.parametrize("scene", SCENES)
def test_palettes_and_lights_show(scene: str) -> None:
    assert difference(paint(scene), paint(scene, palette=COOL)) > 4
    assert difference(paint(scene), paint(scene, light="evening")) > 20


@pytest.mark.parametrize("scene", SCENES)
def test_scene_styles_expose_a_scene_as_they_say(scene: str) -> None:
    airy, natural, dramatic = (paint(scene, style=style).pixels for style in ("airy", "natural", "dramatic"))
    assert airy.mean() > natural.mean() + 3
    assert natural.mean() > dramatic.mean() + 3


def test_a_low_sun_throws_a_longer_shadow_than_a_high_one() -> None:
    assert paint(light="golden").shadow.length > 2 * paint(light="day").shadow.length
    assert paint(style="dramatic").shadow.softness < paint(style="airy").shadow.softness


def test_what_stands_aside_has_a_calm_ground_too() -> None:
    place = composition(SIZES[0])
    aside = Box(0.02 * 970, 30, 0.2 * 970, 190)
    apart = replace(place, text=Box(300, 40, 250, 170), aside=aside)
    assert unrest(paint("kitchen", place=apart).pixels, aside, 20) < 6


def test_settings_show() -> None:
    pictures = [paint(scene) for scene in SCENES]
    for at, one in enumerate(pictures):
        for other in pictures[at + 1 :]:
            assert difference(one, other) > 4


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("scene", SCENES)
def test_words_and_product_stand_before_something_calm(scene: str, size: BannerSize) -> None:
    place = composition(size)
    assert place.product is not None
    pixels = paint(scene, light="golden", place=place).pixels
    cell = max(8, size.height // 12)
    assert unrest(pixels, place.text, cell) < 6
    assert unrest(pixels, place.product, cell) < 10


def test_without_a_product_the_whole_surface_is_free() -> None:
    place = composition(SMALL)
    empty = Composition("test", SMALL, place.text, None, place.ground_y, right_to_left=False)
    assert paint(place=empty).pixels.shape == (250, 300, 3)


def test_words_that_run_around_the_product_leave_room_beside_it() -> None:
    around = Composition("split", SIZES[3], Box(81, 81, 918, 918), Box(430, 410, 580, 570), 980.0, right_to_left=False)
    pixels = paint("kitchen", place=around).pixels
    assert unrest(pixels, Box(81, 81, 918, 300), 90) < 6
    assert pixels[560:840, 20:400].astype(float).std() > 15, "no goods stand beside the product"


def test_provenance_names_the_studio() -> None:
    provenance = paint("on a sunny kitchen counter").provenance
    assert (provenance.painter, provenance.engine, provenance.scene) == ("studio@4", "studio", "kitchen")
    assert provenance.model is None


def test_light_comes_from_the_products_side() -> None:
    assert paint(size=SIZES[0]).light_side == "right"
    place = composition(SIZES[0])
    mirrored = Composition(
        "test", place.size, Box(480, 40, 450, 170), Box(100, 50, 150, 165), place.ground_y, right_to_left=True
    )
    assert paint(place=mirrored).light_side == "left"


def test_words_of_the_wish_never_reach_the_drawing() -> None:
    hostile = "beach \"/><script>alert('x')</script><image href='file:///etc/passwd'/> & ]]> \x00 %s {0}"
    assert np.array_equal(paint(hostile).pixels, paint("beach").pixels)


@pytest.mark.parametrize(
    "palette",
    [("#ffffff", "#ffffff", "#ffffff"), ("#000000", "#000000", "#000000"), ("#ff00ff", "#00ff00", "#0000ff")],
)
def test_any_palette_makes_a_picture(palette: tuple[str, ...]) -> None:
    pixels = paint("studio", palette=palette).pixels
    assert 60 < pixels.mean() < 250
