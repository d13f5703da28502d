"""Reports and their intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.streams.experiments import Tally, TallyKey, wilson
from bannerstream.streams.experiments.report import BYS, NO_PART, report

RESULTS = {
    TallyKey("cosy", "open-bold-natural", "mug"): Tally(1_000, 40),
    TallyKey("cosy", "open-light-airy", "mug"): Tally(1_000, 10),
    TallyKey("sporty", "open-light-airy", "shoe"): Tally(500, 30),
    TallyKey("sporty", "a", "shoe"): Tally(0, 2),
}


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_an_interval_holds_its_rate_and_narrows_with_what_is_seen(clicks, more):
    rate, low, high = wilson(clicks, clicks + more)
    assert 0 <= low <= rate <= high <= 1
    if clicks + more:
        wider = wilson(clicks, clicks + more)
        narrower = wilson(10 * clicks, 10 * (clicks + more))
        assert narrower.high - narrower.low < wider.high - wider.low


def test_an_interval_is_wilsons():
    # Newcombe (1998), table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=1e-4)
    with pytest.raises(ValueError, match="not a rate"):
        wilson(2, 1)


def test_every_sum_has_every_click():
    for by in BYS:
        assert sum(line.clicks for line in report(RESULTS, by)) == 82
    assert [line.name for line in report(RESULTS, "template")] == [NO_PART, "open"]
    assert [line.name for line in report(RESULTS, "scene", cohort_id="cosy")] == ["natural", "airy"]


def test_clicks_whose_impressions_are_not_here_yet_count_as_seen():
    (line,) = (each for each in report(RESULTS, "variant") if each.name == "a")
    assert (line.impressions, line.clicks, line.rate.rate) == (2, 2, 1.0)
