"""Decisions that are wrong while nobody clicks: a product that is refused, a banner that never became ready."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from bannerstream.streams import decision_sweep
from bannerstream.streams.affinity import Catalogue, pack
from bannerstream.streams.affinity.state import decision_of
from bannerstream.streams.batching import Batch
from bannerstream.streams.batching.store import Partitions
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar import states as columnar_states
from bannerstream.streams.decision_sweep import EVERY_S, FIRST_S, SOON_S, DecisionSweep
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.outcome import BatchOutcome
from bannerstream.streams.recent_keys import RecentKeys
from tests.support.folded_batch import CATALOGUE, RULES, Table, assignments_of, at, in_order, record
from tests.support.shop import catalogue, product
from tests.support.stored_states import OF_VERSION_1

CLICKS = TP("clicks", 0)


class Ready:
    """The fingerprints of banners that are ready; none are known to be missing before `read`."""

    def __init__(self) -> None:
        self.read = True
        self.fingerprints: set[int] = set()

    def missing(self, fingerprints: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        return np.array([self.read and each not in self.fingerprints for each in fingerprints.tolist()], np.bool_)


class App:
    """The part of the app that the sweep uses, with one partition."""

    def __init__(self, *, announce_all: bool = False) -> None:
        self.partitions_here = Partitions(lambda _: ColumnarStates(RULES.policy))
        self.states = self.partitions_here[0]
        self.written = self.checkpointer = self
        self.rebalancing = False
        self.submitted: list[BatchOutcome] = []
        self.futures: list[Coroutine[Any, Any, None]] = []
        self.add_future = self.futures.append
        self.now_s = 1000.0
        self.shop: Catalogue = CATALOGUE
        self.ready = Ready()
        self.recent = RecentKeys(3600, clock=lambda: self.now_s)
        self.registry = CollectorRegistry()
        self.sweep = DecisionSweep(
            self,  # type: ignore[arg-type]
            lambda: self.shop,
            RULES,
            ready=self.ready,  # type: ignore[arg-type]
            recently_requested=self.recent,
            metrics=StreamsMetrics(self.registry),
            announce_all=announce_all,
            clock=lambda: self.now_s,
        )

    async def wait_for_capacity(self) -> None:
        await asyncio.sleep(0)

    def submit_change(self, number: int, *, urgent: Any, effects: BatchOutcome) -> None:
        assert number == 0
        self.submitted.append(effects)
        self.states.written(self.states.encode(list(urgent)), 1)
        for banner_key in effects.requests:
            self.recent.add(banner_key)

    def visits(self, **products: str) -> None:
        for user, product_id in products.items():
            table = Table()
            table.run(record(0, user, product_id=product_id))
            self.states.apply(table.items(), 1)

    async def later(self, seconds: float) -> list[BatchOutcome]:
        """Let time pass and an event come; return what the sweep submitted."""
        self.now_s += seconds
        self.submitted.clear()
        self.sweep.sweep_if_due(Batch(CLICKS, 0, 1, []), self.states)
        while self.futures:
            await self.futures.pop()
        return list(self.submitted)

    def rechecked(self, reason: str) -> float:
        return self.registry.get_sample_value("bannerstream_decisions_rechecked_total", {"reason": reason}) or 0.0


@pytest.fixture
async def app() -> App:
    app = App()
    app.ready.read = False
    await app.later(0)
    await app.later(FIRST_S)
    return app


def requested(outcomes: list[BatchOutcome]) -> list[str]:
    return sorted(each.request.product.product_id for outcome in outcomes for each in outcome.requests.values())


async def test_visitors_of_a_product_that_is_refused_get_their_next_best_one_without_an_event(app: App) -> None:
    app.visits(ada="mug", bob="shoe")
    before = app.states.get(at("bob"))
    app.shop = CATALOGUE.without({"mug"})
    assert await app.later(SOON_S - 1) == []
    (outcome,) = await app.later(1)
    (assignment,) = assignments_of(outcome).values()
    assert (assignment.product_id, assignment.epoch) == ("blanket", 2)
    assert requested([outcome]) == ["blanket"]
    assert outcome.changed == {at("ada")}
    state = app.states.get(at("ada"))
    assert state.decision is not None
    assert (state.decision.product_id, state.epoch) == ("blanket", 2)
    assert app.states.get(at("bob")) == before
    assert app.rechecked("refused") == 1
    assert await app.later(EVERY_S) == [], "nothing is left to do"


async def test_it_decides_as_the_visitors_next_event_would(app: App) -> None:
    app.visits(ada="mug")
    app.shop = CATALOGUE.without({"mug"})
    replayed = Table({at("ada"): pack(app.states.get(at("ada")))})
    replayed.run(record(0, "ada"), shop=app.shop)
    await app.later(SOON_S)
    assert in_order(pack(app.states.get(at("ada")))) == replayed[at("ada")]


async def test_a_visitor_without_another_product_is_left_without_a_decision(app: App) -> None:
    app.visits(ada="mug")
    app.shop = CATALOGUE.without(set(CATALOGUE.products))
    (outcome,) = await app.later(SOON_S)
    assert outcome.assignments == {}
    assert app.states.get(at("ada")).decision is None


async def test_a_banner_that_never_became_ready_is_requested_again_once_in_the_time_to_live(app: App) -> None:
    app.visits(ada="mug", bob="mug", cleo="shoe")
    assert await app.later(EVERY_S) == [], "what is ready is not read yet"
    app.ready.read = True
    app.ready.fingerprints = {CATALOGUE.banner_fingerprint("shoe", "sporty")}
    (outcome,) = await app.later(EVERY_S)
    assert requested([outcome]) == ["mug"]
    assert (outcome.assignments, outcome.changed) == ({}, set())
    assert await app.later(EVERY_S) == [], "requested recently"
    assert requested(await app.later(3600)) == ["mug"]
    app.ready.fingerprints.add(CATALOGUE.banner_fingerprint("mug", "cosy"))
    assert await app.later(7200) == []
    assert app.rechecked("not_ready") == 2


async def test_a_decision_whose_product_changed_or_left_is_not_requested(app: App) -> None:
    app.visits(ada="mug", bob="shoe")
    app.ready.read = True
    app.shop = catalogue(product("mug", {"cosy": 1.0}, title="Larger mug"))
    assert await app.later(EVERY_S) == []


async def test_one_sweep_requests_no_more_than_its_bound(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_sweep, "MOST_REQUESTS", 2)
    monkeypatch.setattr(columnar_states, "SWEEP_SLICE", 1)
    app.visits(ada="mug", bob="shoe", cleo="novel")
    app.ready.read = True
    assert len(requested(await app.later(EVERY_S))) == 2
    assert len(requested(await app.later(EVERY_S))) == 1


async def test_a_partition_that_is_gone_is_left_alone(app: App) -> None:
    app.visits(ada="mug")
    app.shop = CATALOGUE.without({"mug"})
    app.rebalancing = True
    assert await app.later(SOON_S) == []
    assert app.states.get(at("ada")).decision is not None


async def test_every_decision_is_announced_once_under_its_epoch_where_the_topic_was_lost() -> None:
    app = App(announce_all=True)
    app.ready.read = False
    app.visits(ada="mug", bob="shoe", cleo="candle")
    app.shop = catalogue(*(each for each in CATALOGUE.products.values() if each.product_id != "candle"))
    app.shop = app.shop.without({"shoe"})
    await app.later(0)
    (outcome,) = await app.later(FIRST_S)
    assert {key: (each.product_id, each.epoch) for key, each in assignments_of(outcome).items()} == {
        at("ada"): ("mug", 1),
        at("bob"): ("ball", 2),
        at("cleo"): ("mug", 2),
    }
    assert outcome.changed == {at("bob"), at("cleo")}
    assert outcome.urgent == {at("ada"), at("bob"), at("cleo")}, "what is announced is in the changelog first"
    assert await app.later(EVERY_S) == []


def test_the_decision_is_read_without_the_rest_of_the_state() -> None:
    table = Table()
    table.run(record(0))
    assert decision_of(table[at("ada")]) == table.state("ada").decision
    assert decision_of(OF_VERSION_1) is None
    assert decision_of(b"\x02garbage") is None
