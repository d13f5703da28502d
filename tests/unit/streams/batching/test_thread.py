"""Batches of the consumer's thread after a seek, and its view of the group membership."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, UnknownMemberIdError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from faust.types import TP

from bannerstream.streams.batching import thread as module
from bannerstream.streams.batching.records import MAX_BATCH, Batch
from bannerstream.streams.batching.thread import BatchScheduler, BatchThread
from tests.support.waiting import until

CLICKS = TP("clicks", 0)


class Fetches:
    """Fake brokers: the results of the next fetches."""

    def __init__(self) -> None:
        self.waiting: list[Batch] = []

    async def fetch(self, *_: Any) -> dict[TP, Batch]:
        return {CLICKS: self.waiting.pop(0)} if self.waiting else {}


@pytest.fixture
def fetches(monkeypatch) -> Fetches:
    fetches = Fetches()
    monkeypatch.setattr(module, "fetch_batches", fetches.fetch)
    return fetches


@pytest.fixture
def thread(monkeypatch) -> BatchThread:
    thread = BatchThread.__new__(BatchThread)
    monkeypatch.setattr(BatchThread, "seek", lambda self, tp, offset: None)
    thread.consumer = SimpleNamespace(flow_active=True)
    thread.log = SimpleNamespace(warning=lambda *_: None)
    thread.app = SimpleNamespace(conf=SimpleNamespace(broker_session_timeout=10.0))
    thread._sought = {}
    thread._last_heartbeat_s = 0.0
    thread._membership_invalid = False
    thread._consumer = None
    return thread


def batch(begin: int, end: int) -> Batch:
    return Batch(CLICKS, begin, end, [SimpleNamespace(offset=each) for each in range(begin, end)])


async def stretches(thread: BatchThread) -> list[tuple[int, int]]:
    fetched = await thread._fetch_records(None, None)
    return [(each.begin, each.end) for each in fetched.get(CLICKS, [])]


async def test_what_lies_between_where_was_sought_and_what_came_is_a_hole_and_only_then(thread, fetches):
    fetches.waiting = [batch(40, 42), batch(45, 47), batch(50, 51), batch(8, 9)]
    assert await stretches(thread) == [(40, 42)]
    thread.seek_back(CLICKS, 42)
    assert await stretches(thread) == [(42, 47)]
    assert await stretches(thread) == [(50, 51)]
    thread.seek_back(CLICKS, 10)
    assert await stretches(thread) == [(8, 9)]


async def test_a_large_fetch_comes_in_slices(thread, fetches):
    fetches.waiting = [batch(0, MAX_BATCH + 1)]
    assert await stretches(thread) == [(0, MAX_BATCH), (MAX_BATCH, MAX_BATCH + 1)]


async def test_nothing_is_fetched_while_flow_is_suspended(thread, fetches):
    fetches.waiting = [batch(0, 1)]
    thread.consumer.flow_active = False
    assert await stretches(thread) == []
    thread.consumer.flow_active = True
    assert await stretches(thread) == [(0, 1)]


class RefusingCoordinator:
    """Fake coordinator that is closing; keeps what aiokafka would push to the user."""

    def __init__(self) -> None:
        self._closing = asyncio.get_running_loop().create_future()
        self._closing.set_result(None)
        self.pushed: list[BaseException] = []

    async def _push_error_to_user(self, error: BaseException) -> None:
        self.pushed.append(error)


async def test_a_refusal_ends_the_app_unless_it_has_fetched_before(thread, fetches):
    ended: list[BaseException] = []
    thread.app.loop, thread.app.end = asyncio.get_running_loop(), ended.append
    coordinator = RefusingCoordinator()
    thread._report_refusals(coordinator)
    refusal, other = GroupAuthorizationFailedError("shop-streams"), UnknownMemberIdError()
    await coordinator._push_error_to_user(other)
    assert (coordinator.pushed, ended) == ([other], [])
    await coordinator._push_error_to_user(refusal)
    await until(lambda: ended == [refusal])
    fetches.waiting = [batch(0, 1)]
    await stretches(thread)
    await coordinator._push_error_to_user(refusal)
    await asyncio.sleep(0)
    assert ended == [refusal], "rights may be changing: it is only logged"


class Coordinator:
    """Fake coordinator: answers each request after two seconds and records rejoin requests."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self.error_code = 0
        self.rejoins = 0

    async def _send_req(self, _: Any) -> Any:
        self._clock.now += 2
        return SimpleNamespace(error_code=self.error_code)

    def request_rejoin(self) -> None:
        self.rejoins += 1


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


@pytest.fixture
def coordinator(thread, clock) -> Coordinator:
    coordinator = Coordinator(clock)
    thread._consumer = SimpleNamespace(_coordinator=coordinator)
    thread._record_heartbeats(coordinator)
    return coordinator


SYNC = SyncGroupRequest("group", 1, "me", None, [])
BEAT = HeartbeatRequest("group", 1, "me")


@pytest.mark.parametrize(("error_code", "heard"), [(0, True), (27, True), (25, False)])
async def test_a_member_is_one_for_a_session_after_what_the_group_granted_was_asked(
    thread, clock, coordinator, error_code, heard
):
    await coordinator._send_req(SYNC)
    clock.now += 7.9
    assert thread.is_member()
    coordinator.error_code = error_code
    await coordinator._send_req(BEAT)  # the answer takes a while; the group counts from when it was asked
    assert thread.is_member() is heard
    clock.now += 7.9
    assert thread.is_member() is heard
    clock.now += 0.2
    assert not thread.is_member()


async def test_who_sleeps_between_being_given_partitions_and_hearing_of_it_is_no_member(thread, clock, coordinator):
    await coordinator._send_req(SYNC)
    clock.now += 10
    thread.confirm_membership()
    assert not thread.is_member()


async def test_other_answers_say_nothing_of_the_session(thread, clock, coordinator):
    await coordinator._send_req(SimpleNamespace())
    assert not thread.is_member()


@pytest.mark.parametrize("stopping", [False, True])
async def test_after_an_aborted_write_a_worker_is_not_a_member_until_it_has_rejoined_whatever_is_heard(
    thread, coordinator, stopping
):
    thread.thread_loop = asyncio.get_running_loop()
    thread.app.should_stop = stopping
    await coordinator._send_req(SYNC)
    thread.confirm_membership()
    thread.invalidate_membership()
    thread.invalidate_membership()
    await coordinator._send_req(BEAT)
    await asyncio.sleep(0)
    assert not thread.is_member()
    assert coordinator.rejoins == (0 if stopping else 1)
    thread.confirm_membership()
    assert thread.is_member()


def test_partitions_are_handed_over_one_after_the_other():
    other = TP("clicks", 1)
    handed = list(BatchScheduler().iterate({CLICKS: [batch(0, 1), batch(1, 2)], other: [batch(0, 1)]}))
    assert [(tp, each.begin) for tp, each in handed] == [(CLICKS, 0), (CLICKS, 1), (other, 0)]
