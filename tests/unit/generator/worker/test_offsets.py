"""What may be committed while requests finish in any order."""

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.generator.worker.offsets import Offsets

P0, P1 = TopicPartition("banner.requests", 0), TopicPartition("banner.requests", 1)


@given(st.integers(0, 5), st.integers(0, 12), st.data())
def test_a_position_never_passes_an_unfinished_record_and_never_goes_back(first: int, count: int, data) -> None:
    offsets = Offsets()
    taken = range(first, first + count)
    for offset in taken:
        offsets.take(P0, offset)
    finished: set[int] = set()
    last = first
    for offset in data.draw(st.permutations(list(taken))):
        offsets.finish(P0, offset)
        finished.add(offset)
        position = offsets.positions()[P0]
        assert all(each in finished for each in range(first, position))
        assert position not in finished
        assert position >= last
        last = position
    assert offsets.open == 0
    assert offsets.positions() == ({P0: first + count} if count else {})


def test_a_lost_partition_is_not_committed_and_its_late_finishes_count_for_nothing() -> None:
    offsets = Offsets()
    offsets.take(P0, 7)
    offsets.take(P1, 3)
    offsets.drop_partitions([P0])
    offsets.finish(P0, 7)
    offsets.finish(P1, 3)
    assert offsets.positions() == {P1: 4}
    assert not offsets.holds(P0, 7)


def test_a_partition_that_comes_back_starts_from_what_is_taken_then() -> None:
    offsets = Offsets()
    offsets.take(P0, 9)
    offsets.drop_partitions([P0])
    offsets.take(P0, 4)
    assert offsets.positions() == {P0: 4}
    assert offsets.open == 1
