"""The gates fail on bad banners."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.contracts.manifest import BannerCopy, Provenance
from bannerstream.contracts.sizes import BILLBOARD, SIZES, BannerSize
from bannerstream.generator.gates.judge import GateJudge, line_contrast, text_contrast
from bannerstream.generator.layout import lay_out, plan
from bannerstream.generator.layout.colours import as_hex, contrast_of, required_contrast, rgb
from bannerstream.generator.pipeline.ports import Box, ComposedBanner, Painting, Pixels, PlacedText
from tests.support.scenery import COHORTS, WORDS, cut_out, scene


def good() -> tuple[ComposedBanner, Painting]:
    painting = scene(BILLBOARD, "light")
    return lay_out(
        painting, plan(BILLBOARD, variant="a", seed=0, has_product=True), WORDS, COHORTS[0], cut_out()
    ), painting


def failed(banner: ComposedBanner, painting: Painting, encoded: int = 50_000) -> set[str]:
    return {score.gate for score in GateJudge().judge(banner, painting, encoded) if not score.passed}


def test_a_good_banner_passes_with_its_scores_recorded() -> None:
    banner, painting = good()
    scores = GateJudge().judge(banner, painting, 50_000)
    assert [score.gate for score in scores] == [
        *("picture", "size", "bytes", "contrast", "product_share", "product_distinct")
    ]
    assert all(score.passed and score.score >= score.threshold and score.size == "970x250" for score in scores)


def test_too_many_bytes_fail() -> None:
    assert failed(*good(), encoded=250_001) == {"bytes"}


def test_wrong_pixels_fail() -> None:
    banner, painting = good()
    assert "size" in failed(replace(banner, pixels=banner.pixels[:, :-1].copy()), painting)


@pytest.mark.parametrize("level", [0, 255])
def test_a_plain_picture_without_its_words_or_product_fails(level: int) -> None:
    banner, painting = good()
    plain = replace(banner, pixels=np.full_like(banner.pixels, level))
    assert {"product_share", "product_distinct"} <= failed(plain, painting)
    white_on_white = replace(
        plain, text_lines=tuple(replace(t, colour=f"#{level:02x}{level:02x}{level:02x}") for t in banner.text_lines)
    )
    assert "contrast" in failed(white_on_white, painting)


@pytest.mark.parametrize("grain", [0, 20])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 30, 200)])
def test_a_picture_of_one_colour_is_no_banner_with_grain_neither(colour: tuple[int, int, int], grain: int) -> None:
    banner, painting = good()
    noise = np.random.default_rng(3).normal(0, grain, painting.pixels.shape)
    flat = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    assert "picture" in failed(banner, replace(painting, pixels=flat))


class Prude:
    """Finds every picture nude with the same probability."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def probability(self, pixels: Pixels) -> float:
        return self._probability


def painted_by_a_model() -> tuple[ComposedBanner, Painting]:
    banner, painting = good()
    return banner, replace(painting, provenance=Provenance(painter="diffusers:X", engine="diffusers"))


def test_a_nude_scene_of_a_model_fails_from_the_threshold_on() -> None:
    banner, painting = painted_by_a_model()
    for probability, passed in ((0.1, True), (0.69, True), (0.71, False), (1.0, False)):
        (score,) = (
            score
            for score in GateJudge(Prude(probability), nudity_threshold=0.7).judge(banner, painting, 1)
            if score.gate == "nudity"
        )
        assert score.passed is passed


def test_skin_all_over_fails_where_it_is_asked_for() -> None:
    banner, painting = painted_by_a_model()
    skin = replace(painting, pixels=np.full_like(painting.pixels, (224, 172, 140)))
    gates = {score.gate: score.passed for score in GateJudge(most_skin=0.6).judge(banner, skin, 1)}
    assert gates["skin"] is False
    assert "skin" not in {score.gate for score in GateJudge().judge(banner, skin, 1)}


def test_the_studio_is_not_looked_at_for_nudity() -> None:
    banner, painting = good()
    assert "nudity" not in {score.gate for score in GateJudge(Prude(1.0), most_skin=0.1).judge(banner, painting, 1)}


def test_a_bright_patch_behind_light_words_fails() -> None:
    banner, painting = good()
    headline = next(text for text in banner.text_lines if text.role == "headline")
    pixels = banner.pixels.copy()
    y, x = int(headline.box.y), int(headline.box.x + headline.box.width / 2)
    colour = int(headline.colour[1:3], 16)
    pixels[y - 4 : y + int(headline.box.height) + 4, x : x + int(headline.box.height)] = colour
    assert "contrast" in failed(replace(banner, pixels=pixels), painting)


def test_a_product_under_the_words_fails() -> None:
    banner, painting = good()
    assert banner.product is not None
    over = PlacedText("line", "over it", banner.product, "#000000", 20, bold=False)
    assert "product_share" in failed(replace(banner, text_lines=(*banner.text_lines, over)), painting)


def test_a_product_of_its_background_s_colour_fails() -> None:
    painting = replace(scene(BILLBOARD, "light"), pixels=np.full((250, 970, 3), 245, np.uint8))
    composition = plan(BILLBOARD, variant="a", seed=0, has_product=True)
    ghost = cut_out((238, 238, 238))
    banner = lay_out(replace(painting, light_side="above"), composition, WORDS, COHORTS[0], ghost)
    assert "product_distinct" in failed(banner, painting)


def test_a_painting_that_holds_the_product_is_not_judged_for_it() -> None:
    banner, painting = good()
    gates = {s.gate for s in GateJudge().judge(banner, replace(painting, holds_product=True), 1)}
    assert "product_share" not in gates


colours = st.tuples(*[st.integers(0, 255)] * 3)


@settings(deadline=None)
@given(colours, colours)
def test_measured_contrast_is_that_of_the_two_colours(
    ground: tuple[int, int, int], letters: tuple[int, int, int]
) -> None:
    size = BannerSize(120, 60, 1000)
    pixels = np.full((60, 120, 3), ground, np.uint8)
    pixels[20:40, 20:100:8] = letters
    pixels[20:40, 21:100:8] = letters
    composition = replace(plan(size, variant="a", seed=0, has_product=False), size=size)
    text = PlacedText("line", "||||", Box(20, 20, 80, 20), as_hex(letters), 20, bold=False)
    banner = ComposedBanner(pixels, composition, (text,), None)
    assert text_contrast(banner) == pytest.approx(contrast_of(ground, letters), rel=0.02)


def test_wcag_s_thresholds() -> None:
    assert required_contrast(24, bold=False) == 3.0
    assert required_contrast(23.9, bold=False) == 4.5
    assert required_contrast(18.7, bold=True) == 3.0
    assert required_contrast(18.6, bold=True) == 4.5
    assert contrast_of((0, 0, 0), (255, 255, 255)) == pytest.approx(21.0)
    assert contrast_of((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("line", ["容量750ml · 持ち手つき", "薔薇と鬱金香 醸造"])
def test_dense_letters_are_not_taken_for_their_ground(line: str, size: BannerSize) -> None:
    painting = replace(scene(size, "light"), pixels=np.full((size.height, size.width, 3), 30, np.uint8))
    words = BannerCopy(headline="急がない一日", line=line, call_to_action="見る")
    for seed in range(6):
        composition = plan(size, variant="a", seed=seed, has_product=True, locale="ja")
        banner = lay_out(painting, composition, words, COHORTS[0], None, locale="ja")
        assert text_contrast(banner) >= 4.5
        for text in banner.text_lines:
            if text.role == "line":
                red, green, blue = banner.pixels[int(text.box.y) - 2, int(text.box.x) - 2].tolist()
                ground = contrast_of(rgb(text.colour), (red, green, blue))
                assert line_contrast(banner.pixels, text) == pytest.approx(ground, rel=0.1)
