import asyncio

import pytest

from tests.support.waiting import until, wait_until


async def test_it_returns_what_the_condition_returned() -> None:
    answers = iter([0, None, "there"])
    assert await until(lambda: next(answers)) == "there"

    async def later() -> int:
        await asyncio.sleep(0)
        return 7

    assert await until(later) == 7


async def test_at_the_deadline_it_shows_what_was_waited_for() -> None:
    with pytest.raises(AssertionError, match="until the page is there"):
        await until(lambda: False, "the page is there", patience_s=0)
    with pytest.raises(AssertionError, match="the end of a log"):
        await until(lambda: False, lambda: "the end of a log", patience_s=0)
    answers: list[str] = []
    with pytest.raises(AssertionError, match=r"len\(answers\) == 1"):
        await until(lambda: len(answers) == 1, patience_s=0)


def test_without_an_event_loop_it_pauses_a_little_longer_each_time() -> None:
    pauses: list[float] = []
    assert wait_until(lambda: len(pauses) == 9, pause=pauses.append)
    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < pauses[-1] <= 0.05
    with pytest.raises(AssertionError, match="until it rains"):
        wait_until(lambda: False, "it rains", patience_s=0, pause=pauses.append)
