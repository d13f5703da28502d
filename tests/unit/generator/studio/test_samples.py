"""Samples for training: labelled, of any size, repeatable."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.generator.studio.choice import choose
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.samples import PALETTES, SEASONED, SceneLabels, draw_scene, random_labels
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.generator.studio.season import SEASONS, season_of

labels = st.builds(
    SceneLabels,
    st.sampled_from(list(SCENES)),
    st.sampled_from(list(PALETTES)),
    st.sampled_from(list(LIGHTS)),
    st.sampled_from(SEASONS),
    st.sampled_from(("natural", "airy", "dramatic")),
)


@settings(deadline=None, max_examples=40)
@given(labels, st.sampled_from([(96, 96), (128, 64), (256, 64), (64, 128)]), st.integers(0, 2**31))
def test_any_labels_draw_a_picture_of_any_size_twice_the_same(
    wanted: SceneLabels, size: tuple[int, int], seed: int
) -> None:
    width, height = size
    picture = draw_scene(wanted, width, height, seed=seed)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 3
    assert 15 < picture.mean() < 250
    assert np.array_equal(picture, draw_scene(wanted, width, height, seed=seed))


@pytest.mark.parametrize("setting", sorted(SEASONED))
@pytest.mark.parametrize("season", SEASONS)
def test_the_words_for_a_setting_in_a_season_find_both(setting: str, season: str) -> None:
    assert choose(f"{season} {setting}", (), tuple(SCENES)) == setting
    assert season_of((f"{season} {setting}",)) == season


@pytest.mark.parametrize("setting", SCENES)
def test_a_setting_finds_itself(setting: str) -> None:
    assert choose(setting, (), tuple(SCENES)) == setting


@pytest.mark.parametrize("setting", SCENES)
def test_a_palette_shows_in_every_setting_even_in_winter(setting: str) -> None:
    """Mean difference of two palettes, of 255; with natural colours unshifted it was 8 to 12."""
    blue, terracotta = (
        draw_scene(SceneLabels(setting, palette, "day", "winter"), 192, 96, seed=5).astype(float)
        for palette in ("blue", "terracotta")
    )
    assert np.abs(blue - terracotta).mean() > 15


def test_random_labels_cover_everything() -> None:
    rng = Random(3)
    drawn = [random_labels(rng) for _ in range(600)]
    assert {each.setting for each in drawn} == set(SCENES)
    assert {each.palette for each in drawn} == set(PALETTES)
    assert {each.light for each in drawn} == set(LIGHTS)
    assert {each.season for each in drawn} == set(SEASONS)


def test_an_unknown_label_is_an_error() -> None:
    with pytest.raises(KeyError):
        draw_scene(SceneLabels("moon", "sage", "day"), 64, 64, seed=1)
    with pytest.raises(KeyError):
        draw_scene(SceneLabels("desk", "plaid", "day"), 64, 64, seed=1)
