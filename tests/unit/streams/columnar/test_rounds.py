"""Rounds equal the pure core, byte for byte, or leave an event to it."""

import json
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.contracts.interactions import InteractionKind
from bannerstream.contracts.keys import user_key
from bannerstream.streams.affinity import Catalogue, Policy, fold, pack
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.batch import fold_batch
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar.states import Version
from bannerstream.streams.outcome import BatchOutcome
from tests.support.folded_batch import RULES, SECRET, Record, assignments_of, at, in_order, record
from tests.support.shop import COHORTS, DAY, NOON, POLICY, PRODUCTS, catalogue, cohort, policy, product

USERS = ("ada", "bob", "eve", "zoe", "kim")
KEYS = {user_key(user, SECRET).encode() for user in USERS}
CORE_ALONE = 1 << 30
"""A smallest round that no round reaches."""

SHOPS = (
    catalogue(),
    catalogue(),
    catalogue(product("mug", {"cosy": 1.0, "bookish": 0.4}, title="Larger mug"), *PRODUCTS[2:]),
    catalogue(
        *PRODUCTS, product("tent", {"outdoors": 1.0, "cosy": 0.1}), cohorts=(cohort("outdoors"), *COHORTS, cohort("a"))
    ),
    catalogue(*PRODUCTS[3:], cohorts=COHORTS[1:]),
)
POLICIES = (
    POLICY,
    policy(min_interval_ms=0, margin=0.0, duplicate_window=0),
    policy(half_life_ms=1000, max_cohorts=2, products_per_user=2, duplicate_window=1),
    policy(suppress_ms=10_000, min_interval_ms=60_000),
    policy(min_interval_ms=0, products_per_user=12, duplicate_window=8),
    policy(products_per_user=40, duplicate_window=40),
)


def in_turn(product_id: str, cohort_id: str, key: bytes, epoch: int) -> str:
    """Draw like an experiment: only from the arguments."""
    return "abc"[(len(product_id) + len(cohort_id) + key[0] + epoch) % 3]


products = st.sampled_from([*(each.product_id for each in PRODUCTS), "tent", "mug", "mug", "ghost"])
events = st.fixed_dictionaries(
    {
        "user": st.sampled_from(USERS),
        "what": st.one_of(
            st.fixed_dictionaries({"product_id": products}),
            st.fixed_dictionaries({"product_id": products}),
            st.fixed_dictionaries({"product_id": products, "kind": st.sampled_from([*InteractionKind])}),
            st.fixed_dictionaries({"product_ids": st.lists(products, min_size=1, max_size=3), "kind": st.just("view")}),
            st.fixed_dictionaries({"value": st.sampled_from([b"{}", None, b"\xff"])}),
            st.fixed_dictionaries({"key": st.just(b"somebody else"), "product_id": products}),
            st.fixed_dictionaries({"product_id": products, "time": st.just("2027-01-15T08:00:00Z")}),
        ),
        "event_id": st.one_of(st.none(), st.sampled_from([f"e-{number}" for number in range(6)])),
        # Times before, on and after the last one, within and past the intervals above, and out of range.
        "later": st.sampled_from([-2_000_000, -3000, -1, 0, 0, 1, 1, 1, 500, 4_999, 5_000, 10_000, 600_000, 40 * DAY]),
    }
)
batches = st.fixed_dictionaries(
    {
        "events": st.lists(events, min_size=1, max_size=25),
        "topic": st.sampled_from(["clicks", "clicks", "clicks", "purchases"]),
        "rewind": st.sampled_from([0, 0, 0, 3, 40]),
        "shop": st.sampled_from(SHOPS),
        "policy": st.sampled_from([0, 0, 0, 0, 1]),
        "restart": st.sampled_from([None, None, None, 2, 3]),
    }
)


class Folding:
    """One partition that is folded batch by batch."""

    def __init__(self, rules: Policy, smallest_round: int, draw: Draw = only_variant) -> None:
        self.rules = rules
        self.draw = draw
        self.smallest_round = smallest_round
        self.states = ColumnarStates(rules)
        self.changelog: dict[bytes, bytes | None] = {}

    def fold(self, topic: Any, records: list[Record], shop: Catalogue) -> BatchOutcome:
        rules = replace(
            RULES, policy=self.rules, draw=self.draw, max_future_ms=10 * 365 * DAY, max_age_ms=10 * 365 * DAY
        )
        return fold_batch(topic, topic, 0, records, self.states, shop, rules, NOON, smallest_round=self.smallest_round)

    def restart(self, version: Version, rules: Policy) -> None:
        """Write everything as a worker does, and read it as the next one does."""
        for key in self.all():
            self.states.put(key, self.states.get(key))
        self.states._version = version
        self.changelog |= self.states.encode(self.states.dirty())
        self.rules = rules
        self.states = ColumnarStates(rules, version=version)
        self.states.apply(self.changelog.items(), len(self.changelog))

    def all(self) -> dict[bytes, bytes]:
        found = {key: self.states.get(key) for key in KEYS}
        return {key: in_order(pack(state)) for key, state in found.items() if state is not None}


def seen_of(outcome: BatchOutcome) -> tuple[Any, ...]:
    asked = {key: (caused.cause, caused.request.event_appended_at) for key, caused in outcome.requests.items()}
    letters = [(letter.code, letter.offset, letter.part, letter.reason) for letter in outcome.dead_letters]
    announced = assignments_of(outcome)
    return outcome.changed, announced, list(announced), asked, list(asked), letters, outcome.counts


def of(offset: int, user: str, what: dict[str, Any]) -> Record:
    """Return a record; `what` may replace its key or its value."""
    event = {"event_id": f"e-{offset}", "user_id": user, "time": NOON + offset} | what
    key, value = event.pop("key", user.encode()), event.pop("value", b"-")
    return Record(offset, NOON + offset, key, json.dumps(event).encode() if value == b"-" else value)


def records_of(batch: dict[str, Any], start: int, now: int) -> tuple[list[Record], int]:
    records = []
    for number, each in enumerate(batch["events"]):
        now = max(1, now + each["later"])
        offset = start + number
        what = {"time": now, "event_id": each["event_id"] or f"e-{batch['topic']}-{offset}"} | each["what"]
        records.append(replace(of(offset, each["user"], what), timestamp=now + number))
    return records, now


@settings(max_examples=300, deadline=None)
@given(st.lists(batches, min_size=1, max_size=6), st.lists(st.sampled_from(POLICIES), min_size=2, max_size=2))
def test_rounds_do_what_the_core_does(session, policies):
    rounds, core = Folding(policies[0], 1, in_turn), Folding(policies[0], CORE_ALONE, in_turn)
    next_offset, now = {"clicks": 0, "purchases": 0}, NOON
    for batch in session:
        topic = batch["topic"]
        start = max(0, next_offset[topic] - batch["rewind"])
        records, now = records_of(batch, start, now)
        next_offset[topic] = max(next_offset[topic], start + len(records))
        if batch["restart"] is not None:
            for folding in (rounds, core):
                folding.restart(batch["restart"], policies[batch["policy"]])
        found, wanted = (folding.fold(topic, records, batch["shop"]) for folding in (rounds, core))
        assert seen_of(found) == seen_of(wanted)
        assert rounds.all() == core.all()
    assert set(rounds.states.dirty()) == set(core.states.dirty())


def taken(*events: dict[str, Any], rules: Policy = POLICY) -> list[int]:
    """Fold a visitor's events, one a batch; return for each how many of them the pure core folded."""
    folding, alone = Folding(rules, 1), []
    for offset, event in enumerate(events):
        with mock.patch("bannerstream.streams.batch.fold", wraps=fold) as core:
            folding.fold("clicks", [of(offset, "ada", event)], SHOPS[0])
        alone.append(core.call_count)
    return alone


def views(*product_ids: str) -> list[dict[str, Any]]:
    return [{"product_id": each} for each in product_ids]


@pytest.mark.parametrize("rules", [POLICY, policy(min_interval_ms=0), policy(products_per_user=12, duplicate_window=8)])
def test_what_is_common_is_taken_a_first_visit_and_another_cohort_included(rules):
    assert not any(
        taken(*views("mug", "candle", "mug", "shoe", "ball", "shoe", "novel", "novel", "novel"), rules=rules)
    )


@pytest.mark.parametrize("odd", [{"kind": "purchase", "product_id": "mug"}, {"product_ids": ["mug", "shoe"]}])
def test_orders_and_several_products_are_left_to_the_core_and_what_follows_is_not(odd):
    assert taken(*views("mug"), {"kind": "view"} | odd, *views("shoe", "blanket")) == [0, 1, 0, 0]


def test_a_repeat_is_taken_and_a_replay_is_not():
    folding = Folding(POLICY, 1)
    first = [record(0), record(1, event_id="e-0")]
    assert folding.fold("clicks", first, SHOPS[0]).counts == {"folded": 1, "duplicate": 1}
    assert folding.states.get(at("ada")).offsets == {"clicks": 1}
    assert folding.fold("clicks", first, SHOPS[0]).counts == {"replayed": 2}
