"""The example catalogue holds to the contracts, and its pictures to their drawings."""

from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image

from bannerstream.catalog.folder import read_catalogue
from bannerstream.demo.example_shop import CATALOGUE
from examples.render import ARTWORK, IMAGES, draw

SHOP = read_catalogue(CATALOGUE)
PRODUCTS, COHORTS = SHOP.products, SHOP.cohorts
LONG_SIDE = 700


def test_enough_to_choose_from() -> None:
    assert len(PRODUCTS) == len({product.product_id for product in PRODUCTS}) >= 24
    assert min(Counter(product.category for product in PRODUCTS).values()) >= 3
    assert len({product.category for product in PRODUCTS}) >= 8
    assert len({cohort.cohort_id for cohort in COHORTS}) == 6


def test_every_cohort_has_products_and_every_product_a_known_cohort() -> None:
    members = Counter(cohort for product in PRODUCTS for cohort in product.cohorts)
    assert members.keys() == {cohort.cohort_id for cohort in COHORTS}
    assert min(members.values()) >= 5
    assert 40 <= members.total() <= 70, "distinct banners of the demo: it is meant to run in under a minute"


def test_titles_come_in_several_languages() -> None:
    assert {"en", "de", "fr", "ja", "ar"} <= {product.locale for product in PRODUCTS}


def test_palettes_run_from_light_to_strong_and_differ() -> None:
    for cohort in COHORTS:
        ground, accent = _lab(cohort.palette[0]), _lab(cohort.palette[-1])
        assert ground[0] > 88 > accent[0] + 20, cohort.cohort_id
    accents = [_lab(cohort.palette[-1]) for cohort in COHORTS]
    apart = [float(np.linalg.norm(a - b)) for i, a in enumerate(accents) for b in accents[:i]]
    assert min(apart) > 12


def test_each_product_has_one_drawing_and_one_picture() -> None:
    ids = sorted(product.product_id for product in PRODUCTS)
    assert sorted(path.stem for path in ARTWORK.glob("*.svg")) == ids
    assert sorted(path.stem for path in IMAGES.glob("*.png")) == ids
    assert {name: path.stem for name, path in SHOP.images.items()} == {name: name for name in ids}


@pytest.mark.parametrize("name", sorted(SHOP.images))
def test_picture_is_a_tight_cut_out_in_step_with_its_drawing(name: str) -> None:
    """Compared at a quarter of the size, because the drawings' filters take seconds at the whole, and blurred, because
    thin lines then fall on other pixels.
    """
    with Image.open(IMAGES / f"{name}.png") as opened:
        picture = np.asarray(opened.convert("RGBA"))
    assert max(picture.shape[:2]) == LONG_SIDE
    assert (IMAGES / f"{name}.png").stat().st_size < 400_000

    visible = picture[..., 3] > 24
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    assert rows[0] <= 8, "room above"
    assert rows[-1] >= picture.shape[0] - 5, "the foot is not at the lower edge"
    assert columns[0] <= 8, "room at the left"
    assert columns[-1] >= picture.shape[1] - 9, "room at the right"

    drawn = _premultiplied(draw(ARTWORK / f"{name}.svg", width=picture.shape[1] // 4))
    kept = cv2.resize(_premultiplied(picture), (drawn.shape[1], drawn.shape[0]), interpolation=cv2.INTER_AREA)
    difference = np.abs(cv2.GaussianBlur(drawn - kept, (0, 0), 3))
    assert float(difference.max()) < 32, f"run `python -m examples.render {name}`"
    assert float(difference.mean()) < 3, f"run `python -m examples.render {name}`"


def _premultiplied(pixels: np.ndarray) -> np.ndarray:
    straight = pixels.astype(np.float32)
    straight[..., :3] *= straight[..., 3:] / 255
    return straight


def _lab(colour: str) -> np.ndarray:
    rgb = np.array([[[int(colour[i : i + 2], 16) for i in (1, 3, 5)]]], np.float32) / 255
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[0, 0])
