"""Every choice has a name that says it, and every other name leaves the choice open."""

import msgspec
import pytest

from bannerstream.contracts.scalars import Variant
from bannerstream.contracts.variants import CREATIVES, HEADLINES, SCENE_STYLES, TEMPLATES, Creative, creative_of


def test_every_choice_has_its_own_name_that_a_message_may_carry() -> None:
    assert len(CREATIVES) == len(TEMPLATES) * len(HEADLINES) * len(SCENE_STYLES)
    assert len({creative.variant for creative in CREATIVES}) == len(CREATIVES)
    for creative in CREATIVES:
        assert creative_of(creative.variant) == creative
        assert msgspec.convert(creative.variant, Variant) == creative.variant


@pytest.mark.parametrize("variant", ["a", "b", "panel", "panel-light", "panel-light-airy-x", "nothing-light-airy"])
def test_other_names_choose_nothing(variant: str) -> None:
    assert creative_of(variant) is None


def test_a_choice_reads_as_its_name_says() -> None:
    assert creative_of("panel-light-airy") == Creative("panel", "light", "airy")
