"""A node whose own tasks end becomes unready and logs the reason."""

import asyncio
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.edge.broker_clock import BrokerClock
from bannerstream.edge.errors import Overloaded
from bannerstream.edge.fakes import MemorySink
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.outbox import Outbox
from bannerstream.settings import Settings
from bannerstream.storage.fakes import MemoryBannerStore
from tests.support.waiting import PATIENCE_S, until

RECORD = Outgoing("clicks", b"ada", b"{}", [])


class BrokenSink(MemorySink):
    """Has a defect: it raises what no broker does."""

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        raise ZeroDivisionError("a defect")


def measured() -> tuple[EdgeMetrics, BrokerClock]:
    metrics = EdgeMetrics(CollectorRegistry())
    return metrics, BrokerClock(metrics)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_every_request_that_waits_for_a_round_learns_of_its_failure() -> None:
    outbox = Outbox(BrokenSink, *measured(), max_waiting=10, ack_timeout_s=3600)
    running = asyncio.create_task(outbox.run())
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Overloaded):
            await outbox.write([RECORD])
        with pytest.raises(ZeroDivisionError):
            await running
        await outbox.drain()


async def test_every_request_that_waits_for_a_cancelled_round_learns_of_it() -> None:
    sink = MemorySink()
    sink.open.clear()
    outbox = Outbox(lambda: sink, *measured(), max_waiting=10, ack_timeout_s=3600)
    running = asyncio.create_task(outbox.run())
    writing = asyncio.create_task(outbox.write([RECORD]))
    await until(lambda: not outbox._waiting and not outbox._idle.is_set())
    running.cancel()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Overloaded) as raised:
            await writing
    assert isinstance(raised.value.__cause__, ServiceUnavailable)


@pytest.mark.parametrize("broken", ["view", "outbox", "catalogue"])
async def test_a_node_whose_task_ends_is_not_ready(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    defect = asyncio.Event()

    async def broken_task() -> None:
        await defect.wait()
        raise ZeroDivisionError("a defect")

    registry = CollectorRegistry()
    edge = EdgeNode(Settings(), MemoryBannerStore(), registry, MemorySink)
    tasks = {"view": (edge.follower, "run"), "outbox": (edge.outbox, "run"), "catalogue": (edge.products, "run")}
    for name, (owner, method) in tasks.items():
        monkeypatch.setattr(owner, method, broken_task if name == broken else for_ever)
    edge.follower.caught_up.set()
    stream = edge.hub.open("0" * 32)
    async with edge.running():
        await until(lambda: edge.ready)
        assert registry.get_sample_value("bannerstream_edge_caught_up") == 1
        defect.set()
        await until(lambda: not edge.ready)
        assert edge.broken
        assert registry.get_sample_value("bannerstream_edge_caught_up") == 0
        assert stream.closing is not None, "its browser goes to another node"


async def test_a_node_that_stops_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = EdgeNode(Settings(), MemoryBannerStore(), CollectorRegistry(), MemorySink)
    for owner, method in ((edge.follower, "run"), (edge.outbox, "run"), (edge.products, "run"), (edge.refusals, "run")):
        monkeypatch.setattr(owner, method, for_ever)
    async with edge.running():
        await asyncio.sleep(0)
    assert not edge.broken
