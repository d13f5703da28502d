"""Each feedback counts once, also when it is repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.streams.experiments import Tally, TallyKey, count
from bannerstream.streams.experiments.tally import REMEMBERED, pack, unpack
from tests.support.reports import feedback

KINDS = ("impression", "click")


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(KINDS)), max_size=60), st.integers(0, 60))
def test_a_replay_from_anywhere_counts_nothing_again(events, restart):
    records = [(offset, feedback(f"{number}-{kind}", kind)) for offset, (number, kind) in enumerate(events)]
    once, replayed = Tally(), Tally()
    for offset, event in records:
        count(once, event, offset)
    for offset, event in records[:restart]:
        count(replayed, event, offset)
    for offset, event in records:
        count(replayed, event, offset)
    assert replayed == once
    ids = {(event.event_id, event.kind) for _, event in records}
    assert (once.impressions, once.clicks) == tuple(sum(kind == each for _, kind in ids) for each in KINDS)


def test_what_was_counted_long_ago_is_forgotten_so_that_a_tally_stays_small():
    tally = Tally()
    for offset in range(10 * REMEMBERED):
        assert count(tally, feedback(f"e-{offset}"), offset)
    assert len(pack(tally)) < 600


@given(st.builds(Tally, st.integers(0, 2**40), st.integers(0, 2**40), st.integers(-1, 2**60), st.binary(max_size=512)))
def test_a_tally_survives_its_bytes(tally):
    assert unpack(pack(tally)) == tally


@pytest.mark.parametrize("broken", [b"", b"\x09\x94", b"\x01", b"\x01\x94\xa1a"])
def test_bytes_that_are_no_tally_are_refused(broken):
    with pytest.raises(MalformedRecord):
        unpack(broken)


def test_a_place_is_found_again_by_its_key():
    place = TallyKey("cosy", "panel-light-airy", "mug / large")
    assert TallyKey.of(place.key) == place
    with pytest.raises(MalformedRecord):
        TallyKey.of(b"cosy")
