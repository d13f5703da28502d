"""Cut-outs, measured against known outlines."""

import itertools

import cv2
import numpy as np
import pytest

from bannerstream.storage.image_ingest import ingest
from bannerstream.storage.image_ingest.cutout import CutRefused, cut_out
from bannerstream.storage.pictures import decode_picture
from tests.support.photographs import GROUNDS, PRODUCTS, SIDE, half_hidden, intersection_over_union, photograph


@pytest.mark.parametrize(
    ("product", "ground"), [pair for pair in itertools.product(PRODUCTS, GROUNDS) if pair != ("ring", "white")]
)
def test_the_outline_is_found_to_within_three_percent(product: str, ground: str) -> None:
    taken = photograph(product, ground)
    alpha = cut_out(taken.pixels)[..., 3]
    assert intersection_over_union(alpha, taken.alpha) >= 0.97


@pytest.mark.parametrize("colour", [(38, 38, 42), (225, 205, 170), (60, 90, 140)], ids=["black", "cream", "blue"])
@pytest.mark.parametrize("shadow", [0.0, 0.6])
def test_colours_and_shadows_do_not_move_the_outline(colour: tuple[int, int, int], shadow: float) -> None:
    taken = photograph("mug", "paper", colour=colour, shadow=shadow, noise=3)
    assert intersection_over_union(cut_out(taken.pixels)[..., 3], taken.alpha) >= 0.97


def test_a_handle_is_seen_through_and_a_white_label_is_not() -> None:
    for ground in GROUNDS:
        assert cut_out(photograph("mug", ground).pixels)[250, 332, 3] == 0
    labelled = photograph("bottle", "white", noise=0).pixels
    labelled[255:345, 200:280] = 255
    assert (cut_out(labelled)[255:345, 200:280, 3] == 255).all()


def test_the_edge_carries_none_of_the_ground() -> None:
    """Laid over black, a cut-out from white shows no light rim."""
    taken = photograph("ball", "white", noise=0, shadow=0)
    cut = cut_out(taken.pixels).astype(np.float32)
    over_black = cut[..., :3] * cut[..., 3:] / 255
    reach = cv2.dilate((taken.alpha > 0.02).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    rim = reach & (taken.alpha < 0.98)
    brightest_product = taken.pixels[taken.alpha > 0.99].max(axis=0)
    assert (over_black[rim] <= brightest_product + 6).all()


def test_the_edge_is_soft() -> None:
    taken = photograph("ball", "paper", noise=1)
    alpha = cut_out(taken.pixels)[..., 3].astype(np.float32) / 255
    partly = (taken.alpha > 0.2) & (taken.alpha < 0.8)
    assert np.abs(alpha - taken.alpha)[partly].mean() < 0.12


@pytest.mark.parametrize("colour", [(120, 122, 126), (150, 152, 156)])
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("shadow", [0.0, 0.35, 0.6])
def test_a_product_like_its_shadow_is_cut_right_or_not_at_all(
    product: str, colour: tuple[int, int, int], shadow: float
) -> None:
    taken = photograph(product, "grey", colour=colour, shadow=shadow)
    try:
        alpha = cut_out(taken.pixels)[..., 3]
    except CutRefused:
        return
    assert intersection_over_union(alpha, taken.alpha) >= 0.95


def test_white_on_white_is_kept_whole() -> None:
    picture = ingest(photograph("mug", "white", colour=(250, 250, 250), shadow=0.2).file())
    assert not picture.cut_out
    assert picture.kept_whole_because


@pytest.mark.parametrize("lighter", [0.0, -4.0], ids=["ground's colour", "nearly"])
@pytest.mark.parametrize("along", ["across", "down"])
@pytest.mark.parametrize("product", ["ball", "shoe", "box"])
@pytest.mark.parametrize("ground", ["white", "paper", "grey"])
def test_a_product_that_is_half_of_its_ground_s_colour_is_kept_whole(
    ground: str, product: str, along: str, lighter: float
) -> None:
    taken = half_hidden(product, ground, along=along, lighter=lighter)
    with pytest.raises(CutRefused, match="ground"):
        cut_out(taken.pixels)


def test_a_picture_that_is_kept_whole_keeps_every_pixel() -> None:
    taken = half_hidden("ball", "paper")
    picture = ingest(taken.file())
    assert not picture.cut_out
    np.testing.assert_array_equal(decode_picture(picture.png)[0][..., :3], taken.pixels)


def test_a_ground_that_is_not_plain_is_kept_whole_and_unchanged() -> None:
    pixels = photograph("mug", "paper").pixels.copy()
    checks = (np.indices((SIDE, SIDE)).sum(axis=0) // 40 % 2 * 90).astype(np.uint8)
    pixels[:] = np.where(photograph("mug", "paper").alpha[..., None] > 0.5, pixels, 120 + checks[..., None])
    with pytest.raises(CutRefused, match="plain"):
        cut_out(pixels)


def test_a_product_that_runs_out_of_three_sides_is_kept_whole() -> None:
    taken = photograph("box", "white", shadow=0)
    with pytest.raises(CutRefused):
        cut_out(np.ascontiguousarray(taken.pixels[150:330, 150:330]))


def test_the_cut_out_has_one_clear_pixel_around() -> None:
    taken = photograph("bottle", "grey")
    picture = ingest(taken.file())
    assert picture.cut_out
    assert picture.kept_whole_because is None
    pixels, cut = decode_picture(picture.png)
    assert cut
    assert pixels.shape == (picture.height, picture.width, 4)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge[:, 3] == 0).all()
    assert pixels[1, :, 3].any()
    true_rows = np.flatnonzero((taken.alpha > 0.5).any(axis=1))
    assert abs(picture.height - (true_rows[-1] - true_rows[0] + 3)) <= 6


def test_the_shadow_at_the_foot_of_a_light_product_stays_out() -> None:
    taken = photograph("shoe", "white", colour=(225, 205, 170), shadow=0.6)
    assert intersection_over_union(cut_out(taken.pixels)[..., 3], taken.alpha) >= 0.965
