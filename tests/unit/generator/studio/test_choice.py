"""Free words select the right set."""

import pytest

from bannerstream.generator.studio.choice import choose
from bannerstream.generator.studio.scenes import SCENES

KNOWN = tuple(SCENES)


@pytest.mark.parametrize(
    ("setting", "scene"),
    [
        ("on a sunny kitchen counter", "kitchen"),
        ("Breakfast table", "kitchen"),
        ("beach at sunset", "beach"),
        ("by the OCEAN", "beach"),
        ("a garden-terrace with coffee", "garden"),
        ("plain white background", "studio"),
        ("seamless backdrop in a spacious loft", "studio"),
        ("a sandwich on a cafe table", "kitchen"),
        ("a snowy pine forest", "snow"),
        ("winter", "snow"),
        ("a winter garden", "garden"),
        ("summer trail", "trail"),
        ("spring", "garden"),
        ("home office desk by the window", "desk"),
        ("baby's playroom", "nursery"),
        ("carpenter's workbench", "workshop"),
        ("marble bathroom vanity", "bathroom"),
        ("hiking a mountain trail", "trail"),
        ("running track in a stadium", "stadium"),
        ("cosy Christmas living room", "festive"),
    ],
)
def test_a_setting_finds_its_scene(setting: str, scene: str) -> None:
    assert choose(setting, (), KNOWN) == scene


def test_unknown_words_fall_back_to_the_cohorts_settings_then_to_the_studio() -> None:
    assert choose("zzz", ("qqq", "seaside", "kitchen"), KNOWN) == "beach"
    assert choose("zzz", ("qqq",), KNOWN) == "studio"
    assert choose("", (), KNOWN) == "studio"


def test_only_sets_that_exist_are_chosen() -> None:
    assert choose("beach", (), ("kitchen", "studio")) == "studio"
