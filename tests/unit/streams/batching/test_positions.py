"""Accepted batches and committable offsets, through any rebalance."""

from types import SimpleNamespace

import pytest
from faust.types import TP
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bannerstream.streams.batching.positions import Positions
from bannerstream.streams.batching.records import Batch

CLICKS = TP("clicks", 0)


def batch(begin: int, end: int) -> Batch:
    return Batch(CLICKS, begin, end, [SimpleNamespace(offset=each) for each in range(begin, end)])


def offsets(taken: Batch | None) -> list[int] | None:
    return None if taken is None else [each.offset for each in taken.records]


@pytest.fixture
def positions() -> Positions:
    positions = Positions()
    positions.begin({CLICKS: 5})
    return positions


def test_nothing_is_taken_before_it_is_known_where_a_partition_begins():
    positions = Positions()
    assert positions.accept(batch(0, 3)) is None
    assert not positions.has_gap(batch(0, 3))
    assert positions.next_offset(CLICKS) is None


def test_only_what_was_applied_may_be_committed(positions):
    positions.accept(batch(5, 7))
    positions.accept(batch(7, 9))
    assert positions.committable(CLICKS) == 5
    positions.apply(batch(5, 7))
    assert positions.committable(CLICKS) == 7


def test_a_batch_that_got_lost_on_its_way_is_never_committed_over(positions):
    for part in (batch(5, 7), batch(7, 9), batch(9, 11)):
        positions.accept(part)
    positions.apply(batch(7, 9))
    positions.apply(batch(9, 11))
    assert positions.committable(CLICKS) == 5


def test_there_is_nothing_to_commit_of_a_partition_that_begins_at_nought():
    positions = Positions()
    positions.begin({CLICKS: 0})
    assert positions.committable(CLICKS) is None


def test_a_batch_that_leaps_ahead_is_refused_as_often_as_it_comes(positions):
    for _ in range(2):
        assert positions.has_gap(batch(7, 9))
        assert positions.accept(batch(7, 9)) is None
    assert positions.next_offset(CLICKS) == 5
    assert offsets(positions.accept(batch(5, 9))) == [5, 6, 7, 8]


def test_of_a_batch_that_was_partly_taken_before_only_the_rest_is_taken(positions):
    positions.accept(batch(5, 7))
    assert offsets(positions.accept(batch(3, 9))) == [7, 8]
    assert positions.accept(batch(3, 9)) is None
    assert not positions.has_gap(batch(3, 9))


def test_a_hole_that_a_batch_covers_is_not_waited_for(positions):
    assert positions.accept(Batch(CLICKS, 5, 40, [])) is not None
    assert positions.next_offset(CLICKS) == 40


def test_an_older_end_moves_nothing_back(positions):
    positions.accept(batch(5, 9))
    positions.apply(batch(5, 9))
    positions.apply(batch(4, 6))
    assert positions.committable(CLICKS) == 9


def test_a_partition_that_was_given_up_takes_and_commits_nothing(positions):
    positions.accept(batch(5, 8))
    positions.forget([CLICKS])
    positions.apply(batch(5, 8))
    assert positions.accept(batch(8, 9)) is None
    assert positions.committable(CLICKS) is None
    assert positions.applied() == {}


def test_what_was_delivered_and_never_taken_is_read_again_once_nothing_is_under_way(positions):
    positions.deliver(batch(5, 6))
    positions.deliver(batch(6, 8))
    assert positions.undelivered() == {CLICKS: 5}
    positions.accept(batch(5, 6))
    assert positions.undelivered() == {}
    positions.apply(batch(5, 6))
    assert positions.undelivered() == {CLICKS: 6}
    positions.accept(batch(6, 8))
    positions.apply(batch(6, 8))
    assert positions.undelivered() == {}


def test_beginning_again_forgets_what_was_delivered_before(positions):
    positions.deliver(batch(5, 8))
    positions.begin({CLICKS: 5})
    assert positions.undelivered() == {}


class OneWorker(RuleBasedStateMachine):
    """One partition of 30 offsets and any order of events. `folded` is the offset that decoded states reach."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = Positions()
        self.positions.begin({CLICKS: 0})
        self.folded: list[int] = []
        self.under_way: list[Batch] = []
        self.dropped = False
        self.applied = self.committed = 0

    @rule(begin=st.integers(0, 29), length=st.integers(1, 12))
    def deliver(self, begin: int, length: int) -> None:
        """Any range of the log arrives, also one that is old, overlaps, or comes after a gap."""
        arrived = batch(begin, min(30, begin + length))
        wanted = self.positions.next_offset(CLICKS)
        self.positions.deliver(arrived)
        assert self.positions.has_gap(arrived) == (begin > wanted)
        taken = self.positions.accept(arrived)
        if taken is None:
            assert self.positions.next_offset(CLICKS) == wanted
        else:
            self.folded += offsets(taken)
            self.under_way.append(taken)

    @precondition(lambda self: self.under_way)
    @rule()
    def round_ends(self) -> None:
        ended = self.under_way.pop(0)
        self.positions.apply(ended)
        if not self.dropped:
            self.applied = ended.end

    @precondition(lambda self: len(self.under_way) == 1 and not self.dropped)
    @rule()
    def an_agent_raises(self) -> None:
        """A batch is dropped: offsets before it may be committed, and none after it."""
        self.under_way.pop()
        self.dropped = True

    @rule(taken=st.booleans())
    def commit(self, taken: bool) -> None:
        """Flush, then commit the committable offsets; the brokers may reject the commit."""
        offset = self.positions.committable(CLICKS)
        if offset is not None and taken:
            self.committed = offset

    @rule()
    def rebalance(self) -> None:
        self.positions.forget([CLICKS])
        self.positions.begin({CLICKS: self.committed})
        self._keep(self.committed)

    def _keep(self, end: int) -> None:
        """States reach at least `end`; they do not count later events twice, because they hold offsets."""
        self.folded = list(range(end))
        self.under_way = []
        self.dropped = False
        self.applied = end

    @invariant()
    def nothing_is_folded_twice_or_passed_over(self) -> None:
        assert self.folded == list(range(self.positions.next_offset(CLICKS)))

    @invariant()
    def what_may_be_committed_was_applied(self) -> None:
        assert (self.positions.committable(CLICKS) or 0) == self.applied


OneWorker.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_whatever_order_nothing_is_lost_or_counted_twice = OneWorker.TestCase
