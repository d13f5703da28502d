"""The demo fails unless the counts of its last line balance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.messages import BannerReady, BannerRequest
from bannerstream.demo.errors import DemoIncomplete
from bannerstream.demo.summary import percentile, summarise
from bannerstream.demo.watcher import Observed

PRODUCT = Product(product_id="mug", title="Mug", category="kitchen", cohorts={"home": 1.0})
COHORT = Cohort(cohort_id="home", name="Home", mood=("calm",), palette=("#ffffff", "#cccccc", "#884422"))


def request(key: str) -> BannerRequest:
    return BannerRequest(
        banner_key=key,
        product=PRODUCT,
        cohort=COHORT,
        locale="en",
        variant="a",
        creative_revision="1",
        requested_at=1000,
        event_appended_at=1000,
    )


def announced(key: str, took_ms: int) -> BannerReady:
    return BannerReady(
        banner_key=key,
        manifest_key=f"manifests/{key}.json",
        product_id="mug",
        cohort_id="home",
        renditions=(),
        engine="studio",
        revision=1,
        ready_at=1000 + took_ms,
        event_appended_at=1000,
    )


LATENCIES_MS = [20, 900, 10]


def observed(requests: int, ready: int, dead: int) -> Observed:
    """Return observations with these numbers of requests, ready events and dead letters."""
    seen = Observed(requests={str(n): request(str(n)) for n in range(requests)})
    seen.ready = {str(n): announced(str(n), LATENCIES_MS[n]) for n in range(ready)}
    seen.dead_letters["malformed"] = dead
    return seen


def test_balanced_books_make_the_line() -> None:
    line = summarise(observed(3, 3, 2), events_in=13, events_folded=10, duplicates=1, banners=3)
    assert line == {
        "events_in": 13,
        "events_folded": 10,
        "duplicates": 1,
        "dead_letters": 2,
        "assignments": 0,
        "requests": 3,
        "banners": 3,
        "ready": 3,
        "unmakeable": 0,
        "event_to_ready_ms": {"p50": 20, "p99": 900},
    }


@pytest.mark.parametrize(
    ("requests", "ready", "banners", "folded"), [(3, 3, 3, 9), (3, 2, 3, 10), (3, 3, 2, 10), (2, 3, 3, 10)]
)
def test_missing_events_or_banners_fail_the_demo(requests: int, ready: int, banners: int, folded: int) -> None:
    with pytest.raises(DemoIncomplete):
        summarise(observed(requests, ready, 2), events_in=12, events_folded=folded, duplicates=0, banners=banners)


def test_a_banner_that_cannot_be_made_here_is_told_and_waited_for_by_nobody() -> None:
    seen = observed(3, 2, 2)
    seen.unmakeable["2"] = "no installed font has Arabic letters"
    assert seen.waiting == 0
    line = summarise(seen, events_in=12, events_folded=10, duplicates=0, banners=2)
    assert (line["requests"], line["ready"], line["unmakeable"]) == (3, 2, 1)


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_with_that_share_at_or_below_it(values: list[int], percent: int) -> None:
    values.sort()
    found = percentile(values, percent)
    assert found is not None
    assert found in values
    assert sum(each <= found for each in values) * 100 >= percent * len(values)
    assert sum(each < found for each in values) * 100 < percent * len(values)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile([], 99) is None
