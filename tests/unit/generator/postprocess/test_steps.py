"""Every step of post-processing improves a degraded picture and leaves a good one unchanged."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.contracts.sizes import BILLBOARD, SIZES, BannerSize
from bannerstream.generator.diffusion.shapes import fitted
from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.generator.postprocess import Finisher
from bannerstream.generator.postprocess.colour_cast import KEPT_OTHER, KEPT_WARM, cast, matched
from bannerstream.generator.postprocess.cropping import saliency, salient_window
from bannerstream.generator.postprocess.denoising import denoised, noise_level
from bannerstream.generator.postprocess.upscaling import enlarged
from bannerstream.lab.evaluation.drawn_scenes import halved, noisy, tinted
from bannerstream.lab.evaluation.postprocessing import psnr
from bannerstream.settings.generator_postprocess import PostprocessSettings


def scene(width: int = 256, height: int = 128) -> Pixels:
    """Return a soft ground in neutral light with hard-edged things on it."""
    across = np.linspace(90, 200, width, dtype=np.float32)[None, :, None]
    picture = np.broadcast_to(across, (height, width, 3)).copy()
    for number in range(6):
        centre = (20 + number * width // 6, height // 2 + 9 * (-1) ** number)
        cv2.circle(picture, centre, height // 8, (40 + 30 * number, 220 - 30 * number, 130), -1, cv2.LINE_AA)
    return picture.astype(np.uint8)


def with_thing_at(top: int) -> Pixels:
    picture = np.full((128, 256, 3), 170, np.uint8)
    picture[top : top + 30, 100:140] = (200, 40, 30)
    return picture


@pytest.mark.parametrize("deviation", [5, 12, 25])
def test_noise_is_measured_and_taken_out(deviation: float) -> None:
    clean = scene()
    spoilt = noisy(clean, deviation, 1)
    # In brightness the channels' noise partly cancels, by the root of the sum of its squared weights: 0.67.
    assert noise_level(spoilt) == pytest.approx(deviation * 0.67, rel=0.25)
    assert psnr(denoised(spoilt), clean) > psnr(spoilt, clean) + 4


def test_a_clean_picture_is_not_touched_and_strength_0_is_off() -> None:
    clean, spoilt = scene(), noisy(scene(), 20, 1)
    assert denoised(clean) is clean
    assert denoised(spoilt, 0) is spoilt


def test_an_enlarged_picture_is_nearer_to_the_large_one_than_by_cubic_interpolation() -> None:
    large = scene(512, 256)
    small = halved(large)
    cubic = np.asarray(cv2.resize(small, (512, 256), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert psnr(enlarged(small, 512, 256), large) > psnr(cubic, large) + 1


def test_edges_get_no_halo() -> None:
    step = np.full((16, 16, 3), 60, np.uint8)
    step[:, 8:] = 200
    result = enlarged(step, 48, 48)
    assert (result.min(), result.max()) == (60, 200)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 90), st.integers(2, 90))
def test_every_size_comes_out(width: int, height: int) -> None:
    assert enlarged(scene(40, 30), width, height).shape == (height, width, 3)


@pytest.mark.parametrize("top", [0, 20, 50, 80, 98])
def test_the_cut_goes_where_the_thing_is(top: int) -> None:
    window = salient_window(with_thing_at(top), 256 / 60)
    assert (window.width, window.height) == (256, 60)
    assert window.top <= top + 3
    assert window.top + window.height >= top + 27


def test_a_flat_picture_is_cut_from_the_middle() -> None:
    window = salient_window(np.full((128, 256, 3), 99, np.uint8), 4.0)
    assert (window.top, window.height) == (32, 64)
    assert not saliency(np.full((128, 256, 3), 99, np.uint8)).any()


@settings(deadline=None, max_examples=40)
@given(st.integers(8, 200), st.integers(8, 200), st.floats(0.2, 12))
def test_a_cut_lies_inside_and_has_its_aspect(width: int, height: int, aspect: float) -> None:
    window = salient_window(scene(width, height), aspect)
    assert 0 <= window.left <= window.left + window.width <= width
    assert 0 <= window.top <= window.top + window.height <= height
    assert window.width == width or window.height == height


@pytest.mark.parametrize(
    ("gains", "kept"), [((2.2, 1, 0.35), KEPT_WARM), ((0.5, 1.8, 0.5), KEPT_OTHER), ((0.5, 1, 1.8), KEPT_OTHER)]
)
def test_a_cast_is_taken_back_to_what_is_kept_and_brightness_stays(
    gains: tuple[float, float, float], kept: float
) -> None:
    spoilt = tinted(scene(), gains)
    result = matched(spoilt, 1.0)
    assert cast(spoilt) > kept + 5
    assert abs(cast(result) - kept) < abs(cast(spoilt) - kept) / 2
    assert cast(result) <= cast(matched(spoilt, 0.5)) + 0.5 <= cast(spoilt) + 0.5
    assert float(result.mean()) == pytest.approx(float(spoilt.mean()), rel=0.15)


def test_natural_light_and_black_are_left_alone() -> None:
    for picture in (scene(), tinted(scene(), (1.25, 1, 0.8)), np.zeros((20, 20, 3), np.uint8)):
        assert matched(picture, 1.0) is picture


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_finished_scene_has_its_banner_s_size(size: BannerSize) -> None:
    for wanted in (PostprocessSettings(), PostprocessSettings(denoise=1, upscale="detail", crop="low")):
        assert Finisher(wanted, "scene")(noisy(scene(), 9, 1), size).shape == (size.height, size.width, 3)


def test_a_scene_is_cut_where_the_composition_expects_it_and_a_whole_one_where_its_product_is() -> None:
    picture = with_thing_at(2)
    plain = PostprocessSettings(colour_match=0)
    assert np.array_equal(Finisher(plain, "scene")(picture, BILLBOARD), fitted(picture, BILLBOARD))
    red = (200, 40, 30)
    found = Finisher(plain, "whole")(picture, BILLBOARD)
    assert (np.abs(found.astype(int) - red).max(axis=2) < 9).mean() > 0.05
    lost = Finisher(PostprocessSettings(colour_match=0, crop="low"), "whole")(picture, BILLBOARD)
    assert (np.abs(lost.astype(int) - red).max(axis=2) < 9).mean() == 0
