"""The table of visitors agrees with a dict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.purger.visitors import MAX_EPOCH, Visitors, VisitorState

# Keys that begin their search at few places, so that they get into each other's way; some differ in one half only.
KEYS = st.builds(
    lambda high, low: f"{high:016x}{low:016x}",
    st.integers(0, 3),
    st.integers(0, 40) | st.sampled_from([1020, 1023, 2**40 + 1023, 2**64 - 1]),
)
STATES = st.builds(VisitorState, epoch=st.integers(1, MAX_EPOCH), assigned=st.integers(1, 4), shown=st.integers(0, 4))


@given(st.lists(st.tuples(KEYS, STATES | st.none())), st.integers(1, 4))
def test_it_holds_what_was_put_and_not_what_was_forgotten(
    steps: list[tuple[str, VisitorState | None]], banner: int
) -> None:
    visitors, expected = Visitors(), dict[str, VisitorState]()
    for key, state in steps:
        if state is None:
            visitors.forget(key)
            expected.pop(key, None)
        else:
            visitors.put(key, state)
            expected[key] = state
    assert len(visitors) == len(expected)
    assert {key: visitors.get(key) for key, _ in steps} == {key: expected.get(key) for key, _ in steps}
    assert sorted(visitors.showing(banner)) == sorted(key for key, each in expected.items() if each.shown == banner)

    assigned = sorted(key for key, each in expected.items() if each.assigned == banner)
    assert sorted(visitors.show_assigned(banner)) == assigned
    for key, state in expected.items():
        shown = banner if state.assigned == banner else state.shown
        assert visitors.get(key) == VisitorState(state.epoch, state.assigned, shown)


def test_it_grows_and_stays_within_its_bound() -> None:
    visitors = Visitors()
    multiplier = 0x9E3779B97F4A7C15F39CC0605CEDC835  # spreads the keys as a hash would
    keys = [f"{number * multiplier % 2**128:032x}" for number in range(1, 5001)]
    for number, key in enumerate(keys):
        visitors.put(key, VisitorState(number + 1, 1, 0))
    assert len(visitors) == 5000
    assert visitors.nbytes <= 84 * 5000
    assert [visitors.get(key) for key in keys] == [VisitorState(number + 1, 1, 0) for number in range(5000)]


def test_nothing_of_a_forgotten_visitor_stays_in_memory() -> None:
    visitors = Visitors()
    visitors.put("ab" * 16, VisitorState(1, 1, 1))
    visitors.forget("ab" * 16)
    assert not any(column.any() for column in visitors._columns)


@pytest.mark.parametrize("epoch", [0, MAX_EPOCH + 1])
def test_an_epoch_out_of_bounds_is_refused(epoch: int) -> None:
    visitors = Visitors()
    with pytest.raises(MalformedRecord, match="epoch"):
        visitors.put("ab" * 16, VisitorState(epoch, 1, 1))
    assert len(visitors) == 0
