"""A node is ready once its bucket has answered; an outage after that is measured and takes no node out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bannerstream.edge import bucket_probe
from bannerstream.storage.errors import BucketMissing
from tests.support.edge_node import Node, running_node
from tests.support.waiting import until


@asynccontextmanager
async def probing(node: Node) -> AsyncIterator[None]:
    """Run the node's probe alone; its view has caught up."""
    node.edge.follower.caught_up.set()
    task = asyncio.create_task(node.edge.bucket.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_is_ready_once_the_bucket_has_answered(node: Node) -> None:
    node.store.fail_next(1_000_000, BucketMissing("there is no bucket"))
    async with probing(node):
        await until(lambda: node.store._failures and len(node.store._failures) < 1_000_000)
        answer = await node.client.get("/readyz")
        assert (answer.status_code, "bucket" in answer.text) == (503, True)
        assert node.metric("bannerstream_edge_caught_up") == 0
        node.store.fail_next(0)
        await until(lambda: node.edge.ready)
    assert (await node.client.get("/readyz")).text == "ready\n"
    assert node.metric("bannerstream_edge_bucket_answers") == 1


async def test_a_later_outage_is_measured_and_takes_no_node_out(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_probe, "PROBE_S", 0.01)
    async with probing(node):
        await until(lambda: node.edge.ready)
        node.store.fail_next(1_000_000)
        await until(lambda: node.metric("bannerstream_edge_bucket_answers") == 0)
        answer = await node.client.get("/readyz")
        assert (answer.status_code, "does not answer" in answer.text) == (200, True)
        node.store.fail_next(0)
        await until(lambda: node.metric("bannerstream_edge_bucket_answers") == 1)
    assert (await node.client.get("/readyz")).text == "ready\n"


async def test_a_node_whose_pictures_a_cdn_serves_waits_for_no_bucket() -> None:
    async with running_node(cdn_base_url="https://cdn.test") as node:
        node.store.fail_next(1_000_000)
        async with probing(node):
            assert (await node.client.get("/readyz")).status_code == 200
