"""A batch and its outcome for valid events, invalid ones, replays and repeats."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.contracts.scalars import MAX_EVENT_BYTES
from bannerstream.contracts.times import rfc3339
from bannerstream.streams.affinity import Catalogue, decision
from bannerstream.streams.affinity.state import STATE_VERSION
from bannerstream.streams.errors import UnknownStateVersion
from tests.support.folded_batch import CATALOGUE, RULES, SECRET, Table, assignments_of, at, record
from tests.support.shop import DAY, NOON, PRODUCTS, catalogue, product
from tests.support.stored_states import OF_VERSION_1


def test_a_click_leads_to_a_state_an_assignment_and_a_request():
    table = Table()
    outcome = table.run(record(0))
    (assignment,) = assignments_of(outcome).values()
    assert outcome.changed == outcome.assignments.keys() == {at("ada")}
    assert assignment == Assignment(
        user_key=user_key("ada", SECRET),
        epoch=1,
        banner_key=CATALOGUE.banner_key("mug", "cosy"),
        product_id="mug",
        cohort_id="cosy",
        decided_at=NOON,
    )
    (ask,) = outcome.requests.values()
    assert outcome.requests.keys() == {assignment.banner_key}
    assert ask.cause == f"{assignment.user_key}:1"
    assert ask.request == BannerRequest(
        banner_key=assignment.banner_key,
        product=PRODUCTS[0],
        cohort=CATALOGUE.cohorts["cosy"],
        locale="en",
        variant="a",
        creative_revision="1",
        requested_at=NOON + 2_000,
        event_appended_at=NOON + 1_000,
    )
    assert table.state("ada").offsets == {"clicks": 0}
    assert outcome.counts == {"folded": 1}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"value": b"\xff\x00 not json"}, "malformed"),
        ({"value": b""}, "malformed"),
        ({"time": "yesterday"}, "malformed"),
        ({"product_id": "m" * 1_000_000}, "oversized"),
        ({"product_id": "ghost"}, "unknown_product"),
        ({"time": NOON + DAY}, "implausible_time"),
        ({"time": NOON - 401 * DAY}, "implausible_time"),
        ({"key": None}, "wrong_key"),
        ({"key": b"somebody else"}, "wrong_key"),
    ],
)
def test_a_bad_record_among_good_ones_becomes_a_dead_letter_and_stops_nothing(changes, code):
    table = Table()
    bad = record(1, "eve", **changes)
    outcome = table.run(record(0), bad, record(2, product_id="blanket"))
    (letter,) = outcome.dead_letters
    assert (letter.code, letter.topic, letter.partition, letter.offset) == (code, "clicks", 0, 1)
    assert letter.key == bad.key
    assert letter.reason
    assert letter.value == bad.value[:900_000]
    assert outcome.counts == {"folded": 2, "dead_letter": 1}
    assert table.written == {at("ada")}
    assert table.state("ada").offsets == {"clicks": 2}


def test_the_secret_is_not_shown():
    assert "sixteen bytes" not in repr(RULES)


def test_visitors_who_get_one_banner_ask_for_it_once_by_the_first_of_them():
    outcome = Table().run(*(record(number, f"u-{number}") for number in range(50)))
    assert len(outcome.assignments) == 50
    (ask,) = outcome.requests.values()
    assert ask.cause == f"{user_key('u-0', SECRET)}:1"


def test_the_events_of_a_damaged_state_become_dead_letters_and_it_is_not_overwritten():
    table = Table({at("ada"): bytes([STATE_VERSION]) + b"damaged"})
    outcome = table.run(record(0), record(1, "bob"))
    assert [(letter.code, letter.offset) for letter in outcome.dead_letters] == [("broken_state", 0)]
    assert table.written == {at("bob")}


def test_a_state_of_another_version_stops_the_batch():
    table = Table({at("ada"): b"\x07from the future"})
    with pytest.raises(UnknownStateVersion):
        table.run(record(0, "bob"), record(1))


def test_an_order_with_one_unknown_product_is_a_dead_letter_whole():
    order = json.dumps(
        {"event_id": "o", "user_id": "ada", "product_ids": ["mug", "ghost"], "time": NOON, "kind": "purchase"}
    )
    table = Table()
    outcome = table.run(record(0, value=order.encode()), topic="purchases")
    assert table.written == set()
    assert outcome.counts == {"dead_letter": 1}


def test_a_visitor_repeated_in_a_batch_gets_one_state_and_the_last_decision():
    table = Table()
    outcome = table.run(record(0), record(1, kind="cart"), record(2, product_id="mug", kind="purchase"))
    assert [(each.product_id, each.epoch) for each in assignments_of(outcome).values()] == [("blanket", 2)]
    assert len(table.written) == 1
    assert [each.request.product.product_id for each in outcome.requests.values()] == ["blanket"]


def test_visitors_who_share_a_banner_ask_for_it_once():
    outcome = Table().run(record(0), record(1, "bob"))
    assert len(outcome.assignments) == 2
    assert len(outcome.requests) == 1


def test_an_event_that_changes_no_decision_is_kept_and_says_nothing():
    table = Table()
    table.run(record(0))
    outcome = table.run(record(1))
    assert (outcome.assignments, outcome.requests) == ({}, {})
    assert table.written == {at("ada")}


def test_a_replay_tells_the_current_decision_again_under_the_same_epoch_and_writes_nothing():
    table = Table()
    first = table.run(record(0), record(1, product_id="shoe", kind="cart"))
    again = table.run(record(0), record(1, product_id="shoe", kind="cart"))
    assert again.assignments == first.assignments
    assert [each.cause for each in again.requests.values()] == [each.cause for each in first.requests.values()]
    assert table.written == set()
    assert again.counts == {"replayed": 2}


def test_a_replay_after_the_product_changed_asks_for_the_banner_as_it_is_now():
    table = Table()
    table.run(record(0))
    shop = catalogue(product("mug", {"cosy": 1.0}, title="Larger mug"), *PRODUCTS[1:])
    outcome = table.run(record(0), shop=shop)
    assert [(each.epoch, each.banner_key) for each in assignments_of(outcome).values()] == [
        (2, shop.banner_key("mug", "cosy"))
    ]
    assert [each.request.product.title for each in outcome.requests.values()] == ["Larger mug"]
    assert table.written == {at("ada")}


def test_clicks_and_purchases_of_one_visitor_meet_in_one_state():
    table = Table()
    table.run(record(5))
    table.run(record(0), topic="purchases")
    assert table.state("ada").offsets == {"clicks": 5, "purchases": 0}
    assert table.state("ada").decision.product_id == "blanket"


events = st.lists(
    st.builds(
        lambda user, product_id, kind, noise: {
            "user": user,
            "product_id": product_id,
            "kind": kind,
            **({"value": noise} if noise else {}),
        },
        st.sampled_from(["ada", "bob", "eve"]),
        st.sampled_from([*(each.product_id for each in PRODUCTS), "ghost"]),
        st.sampled_from(["view", "click", "cart", "purchase"]),
        st.one_of(st.none(), st.binary(min_size=1, max_size=40)),
    ),
    max_size=20,
)


@given(events, st.data())
def test_cutting_a_stream_into_other_batches_and_replaying_any_of_it_ends_in_the_same_states(session, data):
    records = [record(offset, **each) for offset, each in enumerate(session)]
    whole, cut = Table(), Table()
    whole.run(*records)
    position = 0
    while position < len(records):
        start = data.draw(st.integers(0, position), label="a crash rewinds to")
        position = data.draw(st.integers(position + 1, len(records)), label="and reads up to")
        cut.run(*records[start:position])
    assert cut == whole


@given(events)
def test_every_assignment_has_its_request_and_every_record_its_fate(session):
    records = [record(offset, **each) for offset, each in enumerate(session)]
    outcome = Table().run(*records)
    assert {assignment.banner_key for assignment in assignments_of(outcome).values()} == {
        caused.request.banner_key for caused in outcome.requests.values()
    }
    assert sum(outcome.counts.values()) == len(records)
    assert len(outcome.dead_letters) == outcome.counts.get("dead_letter", 0)


def test_no_record_larger_than_the_limit_is_parsed():
    value = msgspec.json.encode({"padding": "x" * MAX_EVENT_BYTES})
    outcome = Table().run(record(0, value=value))
    assert [letter.code for letter in outcome.dead_letters] == ["oversized"]


def test_what_a_producer_sends_again_counts_once():
    table = Table()
    outcome = table.run(record(0), record(1), record(2, event_id="e-0"), record(3, event_id="e-1", kind="cart"))
    assert outcome.counts == {"folded": 2, "duplicate": 2}
    assert len(outcome.assignments) == 1
    assert table.state("ada").scores == {"cosy": pytest.approx(4.0)}
    assert table.state("ada").offsets == {"clicks": 3}
    again = table.run(record(4, event_id="e-1"))
    assert (again.counts, again.assignments, again.changed) == ({"duplicate": 1}, {}, set())
    assert table.written == {at("ada")}


@pytest.mark.parametrize("said", [{"kind": "purchase", "product_id": "shoe"}, {"product_ids": ["shoe", "ball"]}])
def test_a_record_at_which_the_core_fails_is_a_dead_letter_and_leaves_the_state_as_it_was(said, monkeypatch):
    table = Table()
    table.run(record(0))
    before = dict(table)
    event = {"event_id": "e-1", "user_id": "ada", "time": NOON + 10_000} | said
    late = record(1, value=json.dumps(event).encode(), arrived=NOON + 10_000)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(decision, "_challenger", broken)
        outcome = table.run(late, record(2, "bob"))
    (letter,) = outcome.dead_letters
    assert (letter.code, letter.reason, letter.offset) == ("internal", "ZeroDivisionError: a defect", 1)
    assert table.written == {at("bob")}
    assert table[at("ada")] == before[at("ada")]
    assert table.run(late).counts == {"folded": 1}


@pytest.mark.parametrize("form", ["native", "segment"])
def test_a_clock_that_is_ahead_freezes_no_visitor(form: str):
    """An event dated minutes ahead counts as of its arrival, so that the next right one can change the banner."""
    ahead = NOON + 290_000
    segment = {
        "type": "track", "event": "Product Added", "messageId": "e-0", "userId": "ada", "timestamp": rfc3339(ahead),
        "properties": {"product_id": "mug"},
    }  # fmt: skip
    values = {"native": None, "segment": json.dumps(segment).encode()}
    table = Table()
    outcome = table.run(record(0, time=ahead, value=values[form], arrived=NOON))
    assert outcome.ahead_ms == 290_000
    assert table.state("ada").seen_at_ms == NOON
    after = NOON + RULES.policy.min_interval_ms + 1
    outcome = table.run(*(record(n, product_id="shoe", kind="cart", time=after, arrived=after) for n in range(1, 9)))
    assert outcome.ahead_ms == 0
    (assignment,) = assignments_of(outcome).values()
    assert assignment.product_id == "shoe"


def test_a_decision_that_cannot_be_shown_any_more_is_dropped_by_a_replay():
    table = Table()
    table.run(record(0))
    outcome = table.run(record(0), shop=catalogue(product("shoe", {"sporty": 1.0})))
    assert [letter.code for letter in outcome.dead_letters] == []
    assert outcome.assignments == {}
    assert table.state("ada").decision is None
    assert table.written == {at("ada")}


def test_the_state_of_version_1_is_written_as_version_2():
    table = Table({at("ada"): OF_VERSION_1})
    outcome = table.run(record(5), record(6))
    assert outcome.counts == {"replayed": 1, "folded": 1}
    assert table[at("ada")][0] == STATE_VERSION
    assert table.state("ada").offsets == {"clicks": 6, "purchases": 3}


def test_requests_tell_the_cohorts_top_products_where_they_are_asked_for():
    with_favourites = Catalogue(PRODUCTS, CATALOGUE.cohorts.values(), creative_revision="1", favourites=2)
    liked = with_favourites.favourites("cosy")
    shelf = with_favourites.shelf("cosy")[:2]
    assert [each.title for each in liked] == [with_favourites.products[product_id].title for product_id in shelf]
    assert with_favourites.banner_key("mug", "cosy") != CATALOGUE.banner_key("mug", "cosy")
    assert CATALOGUE.favourites("cosy") == ()


class TestSeveralEventsInOneRecord:
    """A GA4 body, or a Segment batch: each event counts once, and alone."""

    @staticmethod
    def body(*hits: tuple[str, str]) -> bytes:
        events = [{"name": name, "params": {"items": [{"item_id": product}]}} for name, product in hits]
        return msgspec.json.encode({"client_id": "ada", "timestamp_micros": NOON * 1000, "events": events})

    def test_each_is_folded_as_if_it_were_alone(self):
        together, apart = Table(), Table()
        outcome = together.run(record(0, value=self.body(("view_item", "mug"), ("add_to_cart", "blanket"))))
        apart.run(
            record(0, value=self.body(("view_item", "mug"))), record(1, value=self.body(("add_to_cart", "blanket")))
        )
        assert outcome.counts == {"folded": 2}
        assert together.state("ada").scores == apart.state("ada").scores
        assert together.state("ada").touched == apart.state("ada").touched
        assert together.state("ada").offsets == {"clicks": 0}

    def test_a_replayed_record_changes_nothing(self):
        table = Table()
        batch = record(5, value=self.body(("view_item", "mug"), ("view_item", "mug")))
        assert table.run(batch).counts == {"folded": 2}
        before = dict(table)
        assert table.run(batch).counts == {"replayed": 2}
        assert dict(table) == before

    def test_a_record_that_is_sent_again_is_a_duplicate_event_by_event(self):
        table = Table()
        value = self.body(("view_item", "mug"), ("view_item", "mug"))
        table.run(record(5, value=value))
        before = table.state("ada").scores
        assert table.run(record(6, value=value)).counts == {"duplicate": 2}
        assert table.state("ada").scores == before

    @pytest.mark.parametrize("order", [("ghost", "mug"), ("mug", "ghost")])
    def test_the_bad_one_is_a_dead_letter_that_can_be_replayed_alone(self, order):
        table, whole = Table(), Table()
        outcome = table.run(record(3, value=self.body(*(("view_item", product) for product in order))))
        (letter,) = outcome.dead_letters
        assert outcome.counts == {"folded": 1, "dead_letter": 1}
        assert (letter.code, letter.offset, letter.part) == ("unknown_product", 3, 1 + order.index("ghost"))
        assert dict(letter.headers())["ce_id"] == b"0@3.%d" % letter.part
        assert b"ghost" in letter.value
        assert b"mug" not in letter.value
        mended = letter.value.replace(b"ghost", b"blanket")
        table.run(record(4, value=mended))
        whole.run(record(3, value=self.body(("view_item", "mug"))), record(4, value=mended))
        assert table.state("ada").scores == whole.state("ada").scores

    def test_those_of_other_visitors_are_refused_one_by_one(self):
        call = {"type": "track", "event": "Product Viewed", "messageId": "m", "properties": {"product_id": "mug"}}
        call |= {"timestamp": "2026-01-31T12:00:00Z"}
        calls = [call | {"userId": "ada"}, call | {"userId": "eve"}, call | {"userId": "ada", "messageId": "n"}]
        outcome = Table().run(record(0, value=msgspec.json.encode({"batch": calls})))
        assert [(letter.code, letter.part) for letter in outcome.dead_letters] == [("wrong_key", 2)]
        assert outcome.counts == {"folded": 2, "dead_letter": 1}
