"""Erasure: markers keep only what replays need; tombstones wait until no event can be replayed."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.messages import Erasure
from bannerstream.streams.affinity import UserState, pack
from bannerstream.streams.affinity.state import STATE_VERSION
from bannerstream.streams.batching import Batch, Conclusion
from bannerstream.streams.batching.positions import Positions
from bannerstream.streams.batching.store import Partitions
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.erasure import ErasureProcessor, IdleSweep, erasure_marker_of, is_erasure_marker
from bannerstream.streams.metrics import StreamsMetrics
from bannerstream.streams.outcome import BatchOutcome
from tests.support.folded_batch import SECRET, Record, Table, at, record
from tests.support.shop import DAY, NOON, POLICY

ERASURES, CLICKS = TP("users.erasures", 0), TP("clicks", 0)


@dataclass
class Deferred:
    batch: Batch | None
    until: Mapping[TP, int]
    conclude: Callable[[], Conclusion[BatchOutcome]]


@dataclass
class Checkpointer:
    """Fake checkpointer: keeps submitted changes, and writes them immediately."""

    states: ColumnarStates
    entered: list[tuple[list[bytes], BatchOutcome | None]] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)

    async def wait_for_capacity(self) -> None:
        await asyncio.sleep(0)

    def submit_change(self, number: int, *, urgent: Sequence[bytes], effects: BatchOutcome | None = None) -> None:
        self.entered.append((list(urgent), effects))
        self.states.written(self.states.encode(list(urgent)), 1)

    def defer(self, batch: Batch, until: Mapping[TP, int], conclude: Callable[[], Conclusion[BatchOutcome]]) -> None:
        self.deferred.append(Deferred(batch, until, conclude))

    def defer_change(
        self, number: int, until: Mapping[TP, int], conclude: Callable[[], Conclusion[BatchOutcome]]
    ) -> None:
        self.deferred.append(Deferred(None, until, conclude))


class App:
    """The part of the app that erasure uses, with one partition and 7 folded clicks."""

    def __init__(self) -> None:
        self.partitions = Partitions(lambda _: ColumnarStates(POLICY))
        self.states = self.partitions[0]
        self.checkpointer = Checkpointer(self.states)
        self.positions = Positions()
        self.positions.begin({CLICKS: 7, ERASURES: 0, TP("clicks", 1): 50})
        self.batch_consumer = self
        self.written = self
        self.partitions_here = self.partitions
        self.rebalancing = False
        self.futures: list[Coroutine[Any, Any, None]] = []
        self.add_future = self.futures.append
        self.registry = CollectorRegistry()
        metrics = StreamsMetrics(self.registry)
        self.eraser = ErasureProcessor(self, ERASURES.topic, UserKeys(SECRET), metrics)  # type: ignore[arg-type]
        self.sweep = IdleSweep(self, ERASURES.topic, 30 * DAY, metrics)  # type: ignore[arg-type]

    def keep(self, user: str, state: UserState) -> None:
        self.packed_store({at(user): pack(state)})

    def packed_store(self, packed: Mapping[bytes, bytes]) -> None:
        self.states.apply(packed.items(), 1)

    def erase(self, *values: bytes) -> Deferred:
        records = [Record(offset, NOON, b"ada", value) for offset, value in enumerate(values)]
        self.eraser.fold(Batch(ERASURES, 0, len(values), records), self.states, NOON)
        return self.checkpointer.deferred[-1]

    async def day(self, now: int, *, timestamp: int | None = None) -> None:
        clicks = Batch(CLICKS, 0, 1, [Record(0, now if timestamp is None else timestamp, b"", b"")])
        self.sweep.sweep_if_due(clicks, self.states, now)
        while self.futures:
            await self.futures.pop()

    def forgotten(self, reason: str) -> float:
        return self.registry.get_sample_value("bannerstream_forgotten_total", {"reason": reason}) or 0.0


@pytest.fixture
def app() -> App:
    return App()


def asking(user: str) -> bytes:
    return encode(Erasure(user_id=user, requested_at=NOON))


def state_of(*events: Record) -> UserState:
    table = Table()
    table.run(*events)
    return table.state("ada")


def test_a_grave_keeps_offsets_and_epoch_and_nothing_of_the_visitor():
    state = state_of(record(3), record(4, product_id="shoe", kind="cart"), record(5, kind="purchase"))
    marker = erasure_marker_of(state)
    assert is_erasure_marker(marker)
    assert not is_erasure_marker(state)
    assert marker == UserState(state.half_life_ms, epoch=state.epoch, offsets={"clicks": 5})
    for content in (b"mug", b"shoe", b"cosy", b"sporty"):
        assert content not in pack(marker)


def test_the_events_that_a_grave_covers_are_replays_and_tell_nothing():
    events = [record(0), record(1, product_id="shoe", kind="cart")]
    buried = pack(erasure_marker_of(state_of(*events)))
    table = Table({at("ada"): buried})
    outcome = table.run(*events)
    assert outcome.counts == {"replayed": 2}
    assert (outcome.assignments, outcome.requests, outcome.changed) == ({}, {}, set())
    assert table == {at("ada"): buried}


visits = st.lists(
    st.fixed_dictionaries(
        {
            "product_id": st.sampled_from(["mug", "blanket", "shoe", "novel"]),
            "kind": st.sampled_from(["view", "click", "cart", "purchase"]),
            "time": st.integers(NOON - 40 * DAY, NOON),
        }
    ),
    min_size=1,
    max_size=8,
)


@given(visits, visits)
def test_who_comes_back_to_an_erasure_marker_starts_again_but_for_the_epoch(before, after):
    old = state_of(*(record(offset, **each) for offset, each in enumerate(before)))
    later = [record(100 + offset, **each) for offset, each in enumerate(after)]
    reset = state_of(*later)
    table = Table({at("ada"): pack(erasure_marker_of(old))})
    table.run(*later)
    found = table.state("ada")
    assert found.epoch == reset.epoch + old.epoch
    found.epoch = reset.epoch
    assert found == reset


def test_an_erasure_buries_at_once_and_deletes_the_assignment_with_the_grave(app):
    app.keep("ada", state_of(record(0)))
    app.keep("bob", state_of(record(0)))
    deferred = app.erase(asking("ada"))
    ((urgent, effects),) = app.checkpointer.entered
    assert (urgent, effects.forgotten) == ([at("ada")], [at("ada")])
    assert is_erasure_marker(app.states.get(at("ada")))
    assert not is_erasure_marker(app.states.get(at("bob")))
    assert deferred.until == {CLICKS: 7}
    assert app.forgotten("erased") == 1


def test_the_tombstone_comes_once_what_was_read_is_committed(app):
    app.keep("ada", state_of(record(0)))
    conclusion = app.erase(asking("ada")).conclude()
    assert conclusion == Conclusion([at("ada")], None)
    assert app.states.encode(conclusion.urgent) == [(at("ada"), None)]


def test_who_came_back_before_the_tombstone_stays(app):
    app.keep("ada", state_of(record(0)))
    deferred = app.erase(asking("ada"))
    came_back = Table({at("ada"): pack(app.states.get(at("ada")))})
    came_back.run(record(9))
    app.states.put(at("ada"), came_back.state("ada"))
    assert deferred.conclude() == Conclusion([], None)
    assert app.states.get(at("ada")).epoch == 2


def test_an_erasure_that_comes_again_finds_the_grave_and_deletes_the_assignment_again(app):
    app.keep("ada", erasure_marker_of(state_of(record(0))))
    deferred = app.erase(asking("ada"))
    assert [effects.forgotten for _, effects in app.checkpointer.entered] == [[at("ada")]]
    assert deferred.conclude().urgent == [at("ada")]
    assert app.forgotten("erased") == 0, "it was counted the first time"


def test_an_unreadable_state_is_erased_like_any_other(app):
    app.packed_store({at("ada"): bytes([STATE_VERSION]) + b"damaged"})
    deferred = app.erase(asking("ada"))
    assert is_erasure_marker(app.states.get(at("ada")))
    assert deferred.conclude().urgent == [at("ada")]


def test_a_batch_of_erasures_buries_each_once_and_makes_letters_of_what_it_cannot_read(app):
    for user in ("ada", "bob", "eve"):
        app.keep(user, state_of(record(0)))
    deferred = app.erase(asking("ada"), b"not json", asking("nobody"), asking("ada"), b'{"user_id": 7}', asking("bob"))
    ((urgent, _),) = app.checkpointer.entered
    assert urgent == [at("ada"), at("bob")]
    conclusion = deferred.conclude()
    assert conclusion.urgent == [at("ada"), at("bob")]
    assert [(each.code, each.topic, each.offset) for each in conclusion.effects.dead_letters] == [
        ("malformed", ERASURES.topic, 1),
        ("malformed", ERASURES.topic, 4),
    ]
    assert app.states.get(at("eve")) is not None


def test_an_erasure_of_somebody_unknown_here_writes_nothing(app):
    deferred = app.erase(asking("nobody"))
    assert app.checkpointer.entered == []
    assert deferred.conclude() == Conclusion([], None)


async def test_the_sweep_buries_who_is_idle_and_leaves_the_others(app):
    app.keep("ada", state_of(record(0)))
    app.keep("bob", state_of(record(0, time=NOON + 200_000)))
    await app.day(NOON + 30 * DAY + 100_000)
    ((urgent, effects),) = app.checkpointer.entered
    assert (urgent, effects.forgotten) == ([at("ada")], [at("ada")])
    (deferred,) = app.checkpointer.deferred
    assert (deferred.batch, deferred.until) == (None, {CLICKS: 7})
    assert deferred.conclude() == Conclusion([at("ada")], None)
    assert app.states.get(at("bob")) is not None
    assert app.forgotten("idle") == 1


async def test_the_grave_of_an_erasure_waits_for_its_events_even_in_a_sweep(app):
    """A restart finds the marker before the events that it covers are committed, and sweeps first."""
    app.keep("ada", erasure_marker_of(state_of(record(0))))
    await app.day(NOON)
    assert is_erasure_marker(app.states.get(at("ada")))
    (deferred,) = app.checkpointer.deferred
    assert deferred.until == {CLICKS: 7}
    assert app.forgotten("idle") == 0


async def test_a_sweep_looks_once_a_day(app):
    await app.day(NOON)
    app.keep("ada", state_of(record(0, time=NOON - 40 * DAY)))
    await app.day(NOON + DAY - 1)
    assert app.checkpointer.entered == []
    await app.day(NOON + DAY)
    assert len(app.checkpointer.entered) == 1


async def test_a_producer_whose_clock_is_ahead_has_nobody_forgotten(app):
    app.keep("ada", state_of(record(0)))
    await app.day(NOON + DAY, timestamp=NOON + 3650 * DAY)
    assert app.checkpointer.entered == []


async def test_a_backlog_is_not_idleness(app):
    app.keep("ada", state_of(record(0)))
    await app.day(NOON + 60 * DAY, timestamp=NOON + DAY)
    assert app.checkpointer.entered == []


async def test_a_sweep_passes_over_a_damaged_state(app):
    app.packed_store({at("eve"): bytes([STATE_VERSION]) + b"damaged"})
    app.keep("ada", state_of(record(0)))
    await app.day(NOON + 31 * DAY)
    assert [urgent for urgent, _ in app.checkpointer.entered] == [[at("ada")]]


async def test_a_sweep_ends_in_a_rebalance_and_starts_again_after_it(app):
    app.keep("ada", state_of(record(0)))
    app.rebalancing = True
    await app.day(NOON + 31 * DAY)
    assert app.checkpointer.entered == []
    app.rebalancing = False
    await app.day(NOON + 31 * DAY + 1)
    assert len(app.checkpointer.entered) == 1


async def test_a_sweep_whose_partition_was_given_up_touches_it_no_more(app, monkeypatch):
    """A partition on disk is closed by that time."""
    monkeypatch.setattr("bannerstream.streams.columnar.states.SWEEP_SLICE", 1)
    for user in ("ada", "bob"):
        app.keep(user, state_of(record(0)))
    slices: list[list[bytes]] = []
    idle = app.states.idle

    def given_up_after_the_first(horizon_ms: int):
        for found in idle(horizon_ms):
            assert not slices, "it was closed"
            slices.append(found)
            app.partitions.drop([0])
            yield found

    monkeypatch.setattr(app.states, "idle", given_up_after_the_first)
    await app.day(NOON + 31 * DAY)
    assert len(slices) == len(slices[0]) == 1
    assert app.checkpointer.entered == []
