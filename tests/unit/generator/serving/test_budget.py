"""Never more pictures in any minute or hour than were paid for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.generator.errors import OverBudget
from bannerstream.generator.serving.budget import ImageBudget

SPENDING = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 5)), max_size=60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def granted(budget: ImageBudget, pictures: int) -> bool:
    try:
        budget.spend(pictures)
    except OverBudget:
        return False
    return True


@given(SPENDING, st.integers(1, 20))
def test_no_minute_has_more_than_its_budget(spending: list[tuple[float, int]], per_minute: int) -> None:
    clock = Clock()
    budget = ImageBudget(per_minute=per_minute, clock=clock)
    spent: list[tuple[float, int]] = []
    for pause, pictures in spending:
        clock.now += pause
        if granted(budget, pictures):
            spent.append((clock.now, pictures))
        assert sum(count for at, count in spent if at > clock.now - 60) <= per_minute


@given(SPENDING, st.integers(5, 20))
def test_an_idle_minute_frees_all_of_it(spending: list[tuple[float, int]], per_minute: int) -> None:
    clock = Clock()
    budget = ImageBudget(per_minute=per_minute, clock=clock)
    for pause, pictures in spending:
        clock.now += pause
        granted(budget, pictures)
    clock.now += 62  # a window counts by whole seconds
    assert granted(budget, per_minute)


def test_the_hour_counts_too_and_says_so() -> None:
    clock = Clock()
    budget = ImageBudget(per_minute=10, per_hour=15, clock=clock)
    budget.spend(10)
    clock.now += 120
    budget.spend(5)
    with pytest.raises(OverBudget, match="15 pictures an hour"):
        budget.spend(1)


def test_a_refusal_spends_nothing() -> None:
    budget = ImageBudget(per_minute=10, clock=Clock())
    budget.spend(8)
    assert not granted(budget, 4)
    assert granted(budget, 2)


def test_without_limits_everything_is_granted() -> None:
    assert granted(ImageBudget(), 10**9)
