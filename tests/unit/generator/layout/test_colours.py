"""Colours of the ground differ from the product's own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.generator.layout.colours import Rgb, colour_of, pick_distinct_hue

RED, WINE, GREEN = (184, 31, 54), (95, 26, 38), (44, 90, 69)
colours = st.tuples(*[st.integers(0, 255)] * 3)


def test_a_red_product_gets_no_red_ground() -> None:
    assert pick_distinct_hue((200, 30, 40), (RED, WINE, GREEN)) == GREEN


def test_a_grey_product_leaves_the_accent_alone() -> None:
    assert pick_distinct_hue((60, 61, 64), (RED, WINE, GREEN)) == RED
    assert pick_distinct_hue(None, (RED, WINE, GREEN)) == RED


@given(colours, st.lists(colours, min_size=1, max_size=5))
def test_some_choice_is_always_made(colour: Rgb, choices: list[Rgb]) -> None:
    assert pick_distinct_hue(colour, choices) in choices


def test_a_product_is_remembered_by_its_vivid_part_and_never_by_what_is_cut_away() -> None:
    picture = np.zeros((80, 80, 4), np.uint8)
    picture[:, :20] = (0, 0, 255, 0)
    picture[:, 20:60] = (128, 128, 128, 255)
    picture[:, 60:] = (220, 30, 30, 255)
    found = colour_of(picture)
    assert found is not None
    assert found[0] > 180
    assert found[2] < 80
    assert colour_of(np.zeros((10, 10, 4), np.uint8)) is None
