"""The posterior of variants, and the draws from it."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.contracts.variants import CREATIVES
from bannerstream.streams.experiments import Guard, Posterior, Tally, TallyKey, fit
from bannerstream.streams.experiments.posterior import SLOTS

NAMES = [each.variant for each in CREATIVES[:6]]
counts = st.dictionaries(
    st.tuples(st.sampled_from(["cosy", "sporty"]), st.sampled_from([*NAMES, "gone"])),
    st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)),
)


def draws(posterior: Posterior, cohort: str = "cosy", brand: str | None = None, number: int = 2_000) -> Counter[str]:
    return Counter(posterior.draw(cohort, brand, b"%032x" % visitor, 1) for visitor in range(number))


@settings(max_examples=30, deadline=None)
@given(counts, st.floats(0, 1))
def test_any_results_let_believe_something_and_the_same_results_the_same(found, exploration):
    one, other = (Posterior(NAMES, found, Guard(exploration)) for _ in range(2))
    assert [one.draw("cosy", None, b"ada", epoch) for epoch in range(50)] == [
        other.draw("cosy", None, b"ada", epoch) for epoch in range(50)
    ]
    assert sum(one.shares("cosy").values()) == pytest.approx(1)
    assert all(0 < rate < 1 for rate in one.expected("cosy").values())


def test_a_variant_that_is_clicked_more_is_shown_more_and_the_others_not_never():
    found = {("cosy", name): (20_000, 600 if name == NAMES[3] else 300) for name in NAMES}
    shown = draws(Posterior(NAMES, found, Guard(0.06)), number=6_000)
    assert shown[NAMES[3]] > 0.9 * 6_000
    assert min(shown[name] for name in NAMES) >= 0.005 * 6_000  # 0.06 of 6 variants: 1 % each


def test_without_results_each_has_a_chance():
    assert min(draws(Posterior(NAMES, {}, Guard())).values()) > 200


def test_a_cohort_of_which_nothing_is_known_borrows_and_one_of_which_much_is_known_does_not():
    found = {("cosy", name): (50_000, 1_500 if name == NAMES[0] else 500) for name in NAMES}
    found |= {("sporty", name): (50_000, 1_500 if name == NAMES[1] else 500) for name in NAMES}
    posterior = Posterior(NAMES, found, Guard(0.0))
    assert draws(posterior, "cosy").most_common(1)[0][0] == NAMES[0]
    assert draws(posterior, "sporty").most_common(1)[0][0] == NAMES[1]
    borrowed = draws(posterior, "new")
    assert borrowed[NAMES[0]] + borrowed[NAMES[1]] > 2 * (2_000 - borrowed[NAMES[0]] - borrowed[NAMES[1]])


def test_a_variant_of_which_nothing_is_known_borrows_from_those_that_share_its_parts():
    same_scene = [each.variant for each in CREATIVES if each.scene == "airy"]
    other_scene = [each.variant for each in CREATIVES if each.scene == "dramatic"]
    known = {("cosy", name): (20_000, 800) for name in same_scene[1:]}
    known |= {("cosy", name): (20_000, 200) for name in other_scene[1:]}
    expected = Posterior([*same_scene, *other_scene], known, Guard()).expected("cosy")
    assert expected[same_scene[0]] > 1.5 * expected[other_scene[0]]


def test_a_brand_shows_nothing_but_what_it_allows():
    posterior = Posterior(NAMES, {}, Guard(0.5, {"Acme": frozenset(NAMES[:2]), "Plain": frozenset({NAMES[2]})}))
    assert set(draws(posterior, brand="Acme")) == set(NAMES[:2])
    assert set(draws(posterior, brand="Plain")) == {NAMES[2]}
    assert set(draws(posterior, brand="Other")) == set(NAMES)


def test_a_draw_says_whether_it_explored():
    found = {("cosy", name): (50_000, 5_000 if name == NAMES[2] else 50) for name in NAMES}
    posterior = Posterior(NAMES, found, Guard(0.25, {"Plain": frozenset({NAMES[0]})}))
    drawn = [posterior.draw_with_reason("cosy", None, b"%032x" % visitor, 1) for visitor in range(4_000)]
    assert Counter(why for _, why in drawn)["explored"] == pytest.approx(1_000, rel=0.15)
    assert {variant for variant, why in drawn if why == "believed"} == {NAMES[2]}
    assert {variant for variant, why in drawn if why == "explored"} == set(NAMES)
    assert posterior.draw_with_reason("cosy", "Plain", b"ada", 1) == (NAMES[0], "only")


def test_a_visitor_keeps_a_variant_within_a_decision_and_may_get_another_with_the_next():
    posterior = Posterior(NAMES, {}, Guard())
    assert len({posterior.draw("cosy", None, b"ada", 7) for _ in range(20)}) == 1
    assert len({posterior.draw("cosy", None, b"ada", epoch) for epoch in range(50)}) > 1


def test_partitions_and_products_are_summed():
    tallies = [
        (TallyKey("cosy", NAMES[0], "mug"), Tally(10_000, 900)),
        (TallyKey("cosy", NAMES[0], "lamp"), Tally(10_000, 900)),
        (TallyKey("cosy", NAMES[1], "mug"), Tally(20_000, 200)),
    ]
    expected = fit(NAMES[:2], tallies, Guard()).expected("cosy")
    assert expected[NAMES[0]] == pytest.approx(0.09, rel=0.2)
    assert expected[NAMES[1]] == pytest.approx(0.01, rel=0.5)


def test_an_experiment_without_variants_is_refused():
    with pytest.raises(ValueError, match="at least one variant"):
        Posterior([], {}, Guard())


def test_slots_are_as_many_as_are_promised():
    posterior = Posterior(NAMES, {}, Guard(0.25))
    assert sum(round(share * SLOTS) for share in posterior.shares("cosy").values()) == SLOTS
