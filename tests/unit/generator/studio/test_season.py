"""Seasons: found in words, visible outdoors, and not on a kitchen's plants."""

import numpy as np
import pytest

from bannerstream.generator.studio.season import SEASONS, season_of
from tests.support.studio_scenes import difference, paint


@pytest.mark.parametrize(
    ("texts", "season"),
    [
        (("an autumn garden",), "autumn"),
        (("garden", "cherry blossoms"), "spring"),
        (("Frosty trail", "summer"), "winter"),
        (("kitchen", "beach"), "summer"),
        (("a fallback", "offspring"), "summer"),
        ((), "summer"),
    ],
)
def test_the_first_text_that_speaks_of_a_season_decides(texts: tuple[str, ...], season: str) -> None:
    assert season_of(texts) == season


def redness(setting: str) -> float:
    """Return by how much red exceeds green in the middle of the scene."""
    pixels = paint(setting, light="day").pixels[60:150].astype(float)
    return float((pixels[..., 0] - pixels[..., 1]).mean())


@pytest.mark.parametrize("place", ["garden", "trail"])
def test_every_season_shows_outdoors(place: str) -> None:
    pictures = {season: paint(f"{season} {place}") for season in SEASONS if season != "winter"}
    assert difference(pictures["spring"], pictures["autumn"]) > 2
    assert difference(pictures["summer"], pictures["autumn"]) > 2
    assert redness(f"autumn {place}") > redness(f"summer {place}") + 2


def test_plants_indoors_are_green_all_year() -> None:
    assert np.array_equal(paint("autumn kitchen").pixels, paint("kitchen").pixels)
