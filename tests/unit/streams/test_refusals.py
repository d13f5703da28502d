"""Products that can have no banner are not on offer: visitors get their next best product."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bannerstream.contracts.catalog import with_rev
from bannerstream.contracts.keys import refusal_key
from bannerstream.contracts.messages import Refusal
from bannerstream.contracts.refusals import refused_now
from bannerstream.settings import KafkaSettings
from bannerstream.streams.affinity import Catalogue
from bannerstream.streams.catalogue_view import CatalogueView
from bannerstream.streams.outcome import BatchOutcome
from tests.support.folded_batch import CATALOGUE, Table, assignments_of, at, record
from tests.support.shop import COHORTS, NOON, PRODUCTS, product

BY_ID = {each.product_id: each for each in PRODUCTS}


def refusal(product_id: str, **changes: Any) -> Refusal:
    given_: dict[str, Any] = {
        "product_id": product_id,
        "locale": "*",
        "rev": BY_ID[product_id].rev,
        "code": "words",
        "reason": "its record holds the blocked word 'gun'",
        "refused_at": NOON,
    }
    return Refusal(**(given_ | changes))


def keyed(*refusals: Refusal) -> dict[str, Refusal]:
    return {refusal_key(each.product_id, each.locale): each for each in refusals}


def shown(outcome: BatchOutcome, user: str = "ada") -> str | None:
    assignment = assignments_of(outcome).get(at(user))
    return None if assignment is None else assignment.product_id


# ---- which products are refused


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, {"mug"}),
        ({"locale": "en"}, {"mug"}),
        ({"locale": "de"}, set()),
        ({"rev": "0" * 16}, set()),
    ],
)
def test_a_refusal_holds_for_its_revision_and_locale(changes, refused):
    assert refused_now(BY_ID, keyed(refusal("mug", **changes))).keys() == refused


def test_a_refusal_of_every_locale_and_one_of_a_locale_do_not_hide_each_other():
    outdated = refusal("mug", rev="0" * 16)
    assert refused_now(BY_ID, keyed(outdated, refusal("mug", locale="en", code="letters"))).keys() == {"mug"}


def test_a_refusal_of_a_product_that_left_the_catalogue_is_passed_over():
    assert refused_now({}, keyed(refusal("mug"))) == {}


# ---- decisions


def test_the_next_best_product_is_shown_and_the_refused_one_still_counts():
    table = Table()
    outcome = table.run(record(0), record(1, product_id="blanket"), record(2), shop=CATALOGUE.without({"mug"}))
    assert shown(outcome) == "blanket"
    assert table.state("ada").scores["cosy"] > 2.5, "three views, two of them of the refused product"
    assert not outcome.dead_letters
    assert {request.request.product.product_id for request in outcome.requests.values()} == {"blanket"}


def test_a_product_that_is_refused_while_it_is_shown_gives_way_at_the_next_event_within_the_interval():
    table = Table()
    assert shown(table.run(record(0))) == "mug"
    assert shown(table.run(record(1), shop=CATALOGUE.without({"mug"}))) == "blanket"
    assert table.state("ada").epoch == 2


def test_a_replay_after_the_refusal_announces_the_new_decision():
    table = Table()
    table.run(record(0))
    assert shown(table.run(record(0), shop=CATALOGUE.without({"mug"}))) == "blanket"


def test_a_product_whose_refusal_is_withdrawn_comes_back_by_the_usual_rules():
    table = Table()
    table.run(record(0), shop=CATALOGUE.without({"mug"}))
    later = record(1, time=NOON + 10_000)
    assert shown(table.run(later, shop=CATALOGUE.without({"mug"}).without(set()))) == "mug"


def test_where_every_product_is_refused_nothing_is_decided_and_nothing_is_lost():
    table = Table()
    shop = CATALOGUE.without(set(BY_ID))
    outcome = table.run(record(0), shop=shop)
    assert not outcome.assignments
    assert not outcome.dead_letters
    assert shown(table.run(record(1))) == "mug"


@given(st.lists(st.tuples(st.sampled_from(sorted(BY_ID)), st.sets(st.sampled_from(sorted(BY_ID)))), max_size=12))
def test_no_decision_is_ever_for_a_refused_product(session):
    table = Table()
    shop = CATALOGUE
    for offset, (product_id, refused) in enumerate(session):
        shop = shop.without(refused)
        table.run(record(offset, product_id=product_id), shop=shop)
        decision = table.state("ada").decision
        assert (decision is None) == (not any(map(shop.shelf, table.state("ada").scores)))
        assert decision is None or decision.product_id not in refused


def test_a_refusal_changes_no_banner_key():
    """Favourites are part of banner keys: a refused one stays among them."""
    shop = Catalogue(PRODUCTS, COHORTS, creative_revision="1", favourites=2)
    assert shop.without({"mug"}).banner_key("blanket", "cosy") == shop.banner_key("blanket", "cosy")


# ---- the view


@dataclass
class FakeView:
    """A compacted topic that a test fills."""

    held: dict[str, Any] = field(default_factory=dict)
    version: int = 0

    def current(self) -> dict[str, Any]:
        return self.held

    def set(self, held: dict[str, Any]) -> None:
        self.held, self.version = held, self.version + 1


class View(CatalogueView):
    """The view of topics that a test fills."""

    def __init__(self) -> None:
        self.offered_again = 0
        super().__init__(KafkaSettings(), creative_revision="1", on_offered_again=self._count)
        self.products, self.cohorts, self.refusals = FakeView(dict(BY_ID)), FakeView(), FakeView()
        self.cohorts.set({each.cohort_id: each for each in COHORTS})
        self._products, self._cohorts, self._refusals = self.products, self.cohorts, self.refusals  # type: ignore[assignment]

    def _count(self) -> None:
        self.offered_again += 1


def test_a_refused_product_is_not_on_offer_until_its_refusal_is_withdrawn():
    view = View()
    assert view.current().shelf("cosy")[0] == "mug"
    view.refusals.set(keyed(refusal("mug")))
    assert view.current().refused == {"mug"}
    assert "mug" in view.current().products
    assert view.offered_again == 0
    view.refusals.set({})
    assert not view.current().refused
    assert view.offered_again == 1


def test_a_new_revision_is_on_offer_and_a_reload_keeps_what_is_refused():
    view = View()
    view.refusals.set(keyed(refusal("mug"), refusal("shoe")))
    assert view.current().refused == {"mug", "shoe"}
    view.products.set(BY_ID | {"mug": with_rev(replace(product("mug", {"cosy": 1.0}), title="Red mug"))})
    assert view.current().refused == {"shoe"}
    assert view.current() is view.current()
