"""What is painted together, and when."""

from hypothesis import given
from hypothesis import strategies as st

from bannerstream.generator.serving.batching import Batches, Ticket

TICKETS = st.lists(st.tuples(st.sampled_from("xyz"), st.floats(0, 10)), max_size=40)


def batches(*, most: int = 4, wait_s: float = 1.0) -> Batches[int]:
    return Batches(max_size=lambda _: most, wait_s=wait_s)


def test_a_full_batch_goes_at_once_and_the_rest_waits() -> None:
    waiting = batches()
    waiting.add(Ticket(at, "x", 0.0) for at in range(5))
    assert [each.item for each in waiting.take(0.0)] == [0, 1, 2, 3]
    assert waiting.take(0.5) == []
    assert waiting.due_in_s(0.5) == 0.5
    assert [each.item for each in waiting.take(1.0)] == [4]
    assert waiting.due_in_s(1.0) is None


def test_when_no_more_will_come_nothing_is_waited_for() -> None:
    waiting = batches()
    waiting.add([Ticket(0, "x", 0.0)])
    assert [each.item for each in waiting.take(0.0, no_more_will_come=True)] == [0]


def test_a_kind_that_is_always_full_does_not_starve_another() -> None:
    waiting = batches(most=2)
    waiting.add([Ticket(0, "rare", 0.0)])
    waiting.add(Ticket(at, "busy", 0.5) for at in range(1, 9))
    assert {each.kind for each in waiting.take(0.9)} == {"busy"}
    assert {each.kind for each in waiting.take(1.0)} == {"rare"}


def test_what_is_put_back_goes_first() -> None:
    waiting = batches(most=2)
    waiting.add(Ticket(at, "x", float(at)) for at in range(4))
    waiting.put_back(waiting.take(9.0))
    assert [each.item for each in waiting.take(9.0)] == [0, 1]


@given(TICKETS, st.integers(1, 6), st.floats(0, 3))
def test_batches_are_of_one_kind_within_their_limit_and_nothing_is_lost(
    entries: list[tuple[str, float]], most: int, wait_s: float
) -> None:
    waiting = batches(most=most, wait_s=wait_s)
    tickets = [Ticket(at, kind, since) for at, (kind, since) in enumerate(sorted(entries, key=lambda entry: entry[1]))]
    waiting.add(tickets)
    taken: list[int] = []
    while batch := waiting.take(20.0):
        assert len({each.kind for each in batch}) == 1
        assert len(batch) <= most
        taken += [each.item for each in batch]
    assert sorted(taken) == list(range(len(tickets)))


@given(TICKETS, st.floats(0, 10))
def test_what_is_due_is_taken_and_what_is_not_says_when(entries: list[tuple[str, float]], now: float) -> None:
    waiting = batches(most=100)
    waiting.add(Ticket(at, kind, since) for at, (kind, since) in enumerate(sorted(entries, key=lambda entry: entry[1])))
    while waiting.take(now):
        pass
    due_in_s = waiting.due_in_s(now)
    assert due_in_s is None or due_in_s > 0 or len(waiting) == 0
    if due_in_s is not None:
        assert waiting.take(now + due_in_s + 1e-6)
