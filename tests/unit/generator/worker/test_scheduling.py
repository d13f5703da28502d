"""Who is next: fair between cohorts, oldest first within one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.generator.worker.fair_queue import FairQueue

Entry = tuple[str, int]
ENTRIES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)), max_size=60)


def filled(entries: list[Entry]) -> FairQueue[tuple[int, Entry]]:
    queue: FairQueue[tuple[int, Entry]] = FairQueue()
    for at, (cohort, age) in enumerate(entries):
        queue.push((at, (cohort, age)), cohort=cohort, age=age)
    return queue


@given(ENTRIES)
def test_everyone_is_served_once_and_the_oldest_of_a_cohort_first(entries: list[Entry]) -> None:
    queue = filled(entries)
    served = [queue.pop() for _ in range(len(entries))]
    assert sorted(served) == list(enumerate(entries))
    for cohort in "abcd":
        own = [(age, at) for at, (of, age) in served if of == cohort]
        assert own == sorted(own)
    assert len(queue) == 0


@given(ENTRIES, st.integers(0, 60))
def test_cohorts_that_wait_are_served_alike(entries: list[Entry], count: int) -> None:
    """Between two that both still wait, the numbers of times served differ by one at most."""
    queue = filled(entries)
    times: Counter[str] = Counter()
    for _ in range(min(count, len(entries))):
        times[queue.pop()[1][0]] += 1
    waiting = [cohort for cohort in "abcd" if sum(of == cohort for of, _ in entries) > times[cohort]]
    assert max((times[each] for each in waiting), default=0) - min((times[each] for each in waiting), default=0) <= 1


@given(st.lists(st.integers(0, 20), max_size=30))
def test_without_rivals_it_is_a_plain_queue_by_age(ages: list[int]) -> None:
    queue = filled([("a", age) for age in ages])
    assert [queue.pop()[1][1] for _ in ages] == sorted(ages)


def test_one_banner_of_a_quiet_cohort_does_not_wait_behind_a_thousand() -> None:
    queue = filled([("busy", age) for age in range(1000)])
    for _ in range(300):
        queue.pop()
    queue.push((1000, ("quiet", 5000)), cohort="quiet", age=5000)
    assert "quiet" in {queue.pop()[1][0] for _ in range(2)}


def test_a_cohort_that_comes_and_goes_gains_nothing_by_it() -> None:
    queue = filled([("steady", age) for age in range(100)])
    served: Counter[str] = Counter()
    for turn in range(60):
        if served["hopping"] == turn // 2:  # asks again only once its last was served
            queue.push((turn, ("hopping", 0)), cohort="hopping", age=0)
        served[queue.pop()[1][0]] += 1
    assert abs(served["steady"] - served["hopping"]) <= 1


@given(ENTRIES, st.sets(st.integers(0, 59)))
def test_what_is_discarded_is_returned_and_never_served(entries: list[Entry], unwanted: set[int]) -> None:
    queue = filled(entries)
    removed = queue.discard(lambda item: item[0] in unwanted)
    served = [queue.pop() for _ in range(len(queue))]
    assert {at for at, _ in removed} == unwanted & set(range(len(entries)))
    assert sorted(removed + served) == list(enumerate(entries))


def test_cohorts_that_are_gone_take_no_memory() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(1000):
        queue.push(number, cohort=f"cohort-{number}", age=0)
        queue.pop()
    assert len(queue._starts) <= 2


def test_nobody_waits() -> None:
    with pytest.raises(IndexError):
        FairQueue[int]().pop()
