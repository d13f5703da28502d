"""The stages of a click add up to what the page measured, and a click whose records are missing counts in none."""

from dataclasses import replace

from bench.arena.journey import Shown, Trail, medians, stages_of

KEY, USER = "b" * 64, "a" * 32
SHOWN = Shown(
    banner_key=KEY,
    product_id="mug",
    epoch=2,
    pointer=f"/v1/pointers/{USER}",
    clicked_at=1000.5,
    notified_at=1400.0,
    fetched_at=1420.0,
    shown_at=1437.0,
)
PAINTING = {"paint": 120.0, "encode": 30.0}


def trail(*, ready: tuple[int, ...] = (1380,)) -> Trail:
    made = Trail(assignments={(USER, 1): 700, (USER, 2): 1030}, requests={KEY: 1031})
    made.clicks[USER, "mug"] = [500, 1005]
    made.changelog[USER] = [700, 1020, 2000]
    made.ready[KEY] = list(ready)
    return made


def test_the_stages_of_a_painted_banner_add_up() -> None:
    stages = stages_of(SHOWN, trail(), PAINTING)
    assert stages is not None
    assert list(stages.values()) == [4.5, 15, 10, 1, 199.0, 120.0, 30.0, 20.0, 20.0, 17.0]
    assert sum(stages.values()) == SHOWN.shown_at - SHOWN.clicked_at


def test_of_sizes_that_came_first_the_painting_is_one_stage() -> None:
    stages = stages_of(SHOWN, trail(ready=(1380, 1900)), PAINTING)
    assert stages is not None
    assert stages["generator: first size painted, stored, written"] == 349
    assert "generator: paint" not in stages
    assert sum(stages.values()) == SHOWN.shown_at - SHOWN.clicked_at


def test_a_banner_that_was_there_passes_the_generator_by() -> None:
    stages = stages_of(SHOWN, trail(), None)
    assert stages is not None
    assert not any("generator" in each for each in stages)
    assert sum(stages.values()) == SHOWN.shown_at - SHOWN.clicked_at


def test_a_click_whose_records_are_missing_counts_in_no_median() -> None:
    lost = [replace(SHOWN, epoch=9), replace(SHOWN, product_id="cup"), replace(SHOWN, banner_key="c" * 64)]
    assert [stages_of(each, trail(), PAINTING) for each in lost] == [None] * 3
    assert medians([None, {"a": 1.0}, {"a": 3.0, "b": 5.0}]) == {"a": 2.0, "b": 5.0}
