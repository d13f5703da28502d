"""What the consumer's thread hands over after a seek, and how long it believes to be a member."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.batching import thread as module
from streams.batching.records import MAX_BATCH, Batch
from streams.batching.thread import BatchScheduler, BatchThread

CLICKS = TP("clicks", 0)


class Fetches:
    """Stands in for the brokers: what the next fetches bring."""

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
    thread.app = SimpleNamespace(conf=SimpleNamespace(broker_session_timeout=10.0))
    thread._sought = {}
    thread._heard_at = 0.0
    thread._doubted = False
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


@pytest.mark.parametrize("answered", [True, False])
async def test_a_member_is_one_for_a_session_after_the_heartbeat_that_was_answered(thread, monkeypatch, answered):
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)

    async def beat() -> bool:
        nonlocal now
        now += 2  # the answer takes a while; the group counts from when it was asked
        return answered

    coordinator = SimpleNamespace(_do_heartbeat=beat)
    thread._note_heartbeats(coordinator)
    thread.joined()
    now += 9.9
    assert thread.is_member()
    assert await coordinator._do_heartbeat() is answered
    assert thread.is_member() is answered
    now += 7.9
    assert thread.is_member() is answered
    now += 0.2
    assert not thread.is_member()


async def test_who_gave_up_a_write_is_no_member_until_it_has_joined_anew_whatever_is_heard(thread):
    requests = []
    coordinator = SimpleNamespace(request_rejoin=lambda: requests.append("rejoin"), _do_heartbeat=_answered)
    thread._consumer = SimpleNamespace(_coordinator=coordinator)
    thread.thread_loop = asyncio.get_running_loop()
    thread._note_heartbeats(coordinator)
    thread.joined()
    thread.doubt()
    thread.doubt()
    await coordinator._do_heartbeat()
    await asyncio.sleep(0)
    assert not thread.is_member()
    assert requests == ["rejoin"]
    thread.joined()
    assert thread.is_member()


async def _answered() -> bool:
    return True


def test_partitions_are_handed_over_one_after_the_other():
    other = TP("clicks", 1)
    handed = list(BatchScheduler().iterate({CLICKS: [batch(0, 1), batch(1, 2)], other: [batch(0, 1)]}))
    assert [(tp, each.begin) for tp, each in handed] == [(CLICKS, 0), (CLICKS, 1), (other, 0)]
