"""An edge node on real topics, as pages and visitors see it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from msgspec.structs import replace

from bannerstream.broker.connection import client_options
from bannerstream.contracts.catalog import with_rev
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.messages import Refusal
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.edge_process import EdgeProcess, Writer, live, writer
from tests.support.shop import PRODUCTS

pytestmark = [pytest.mark.timeout(240), pytest.mark.pairs("embedded", "apache")]


@pytest.fixture
async def streams(settings: Settings) -> AsyncIterator[Writer]:
    """A writer in place of streams and generator."""
    async with writer(settings) as writing:
        yield writing


@pytest.fixture
async def node(
    streams: Writer, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[EdgeProcess]:
    async with EdgeProcess(settings, environment, tmp_path / "edge.log", page_purchases=True) as node:
        yield node


async def test_a_new_decision_reaches_the_open_page(node: EdgeProcess, streams: Writer, settings: Settings) -> None:
    store = S3BannerStore(settings.storage)
    store.ensure_bucket()
    name = store.put_blob(b"the picture", "image/webp").rpartition("/")[2]
    store.close()
    assert (await node.client.get(f"/b/{name}")).content == b"the picture"
    async with live(node, "ada") as events, live(node, "bob") as others:
        assert (await events.next())[2]["epoch"] == 0
        assert (await others.next())[2]["epoch"] == 0
        await streams.assign("ada", 1, "a")
        await streams.announce("a")
        event, id_, banner = await events.next()
        while banner["epoch"] == 0:  # the cohort's default may come first, because the two topics are read concurrently
            event, id_, banner = await events.next()
        assert (event, id_, banner["epoch"], banner["banner_key"]) == ("banner", "1", 1, "a" * 64)
        await streams.assign("ada", 2, "b")
        await streams.announce("b")
        assert (await events.next())[1] == "2"
    async with live(node, "ada", **{"Last-Event-ID": "1"}) as events:
        assert (await events.next())[1] == "2", "the banner that the page missed while it was disconnected"


async def test_a_node_that_restarts_shows_what_it_showed(
    streams: Writer, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await streams.announce("a")
    await streams.announce("b", revision=2)
    for epoch in (1, 3, 2):  # a paused worker may write an older one after a newer one
        await streams.assign("ada", epoch, "ab"[epoch % 2])
    await streams.assign("bob", 1, "a")
    await streams.delete("bob")
    topics = settings.kafka.topic_table()
    await streams.raw(topics.assignments.name, streams.key("eve").encode(), b"not JSON")
    await streams.raw(topics.ready.name, b"not a key", b"{}")
    async with EdgeProcess(settings, environment, tmp_path / "edge.log") as node:
        assert [await node.epoch(user) for user in ("ada", "bob", "eve")] == [3, 0, 0]
        assert await node.metric("bannerstream_edge_records_skipped_total") == 2
        async with live(node, "ada") as events:
            assert (await events.next())[1] == "3.2"
            assert node.terminate() == 0
            assert await events.ended()


async def test_two_nodes_share_the_visitors_between_them(
    streams: Writer, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    users = [f"visitor-{number}" for number in range(8)]
    await streams.announce("a")
    for user in users:
        await streams.assign(user, 1, "a")
    async with (
        EdgeProcess(settings, environment, tmp_path / "0.log", shard="0/2") as first,
        EdgeProcess(settings, environment, tmp_path / "1.log", shard="1/2") as second,
    ):
        held = [await each.metric("bannerstream_edge_visitors") for each in (first, second)]
        assert sum(held) == len(users)
        for user in users:
            responses = [await node.client.get("/v1/banner", headers=node.headers(user)) for node in (first, second)]
            assert sorted(response.status_code for response in responses) == [200, 421]
            (refused,) = (response for response in responses if response.status_code == 421)
            owner = responses[int(refused.headers["bannerstream-shard"])]
            assert owner.json()["epoch"] == 1


async def test_events_and_feedback_are_in_kafka_when_they_are_acknowledged(
    node: EdgeProcess, streams: Writer, settings: Settings
) -> None:
    await streams.announce("a")
    await streams.assign("ada", 1, "a")

    async def shown() -> bool:
        return await node.epoch("ada") == 1

    await node.until(shown)
    batch = [{"type": "click", "product_id": "mug"}, {"type": "purchase", "product_id": "mug"}]
    posts = [node.client.post("/v1/events", json=batch, headers=node.headers(f"u-{number}")) for number in range(20)]
    assert {response.status_code for response in await asyncio.gather(*posts)} == {202}
    token = (await node.client.get("/v1/banner", headers=node.headers("ada"))).json()["feedback"]
    body = {"token": token, "kind": "impression", "size": "970x250"}
    assert (await node.client.post("/v1/feedback", json=body)).status_code == 202
    topics = settings.kafka.topic_table()
    names = (topics.clicks.name, topics.purchases.name, topics.feedback.name)
    consumer = AIOKafkaConsumer(*names, **client_options(settings.kafka), auto_offset_reset="earliest")
    await consumer.start()
    try:
        found: dict[str, list[str]] = {name: [] for name in names}
        async with asyncio.timeout(60):
            while sum(map(len, found.values())) < 41:
                record = await consumer.getone()
                found[record.topic].append(json.loads(record.value).get("user_id", ""))
    finally:
        await consumer.stop()
    everybody = sorted(f"u-{number}" for number in range(20))
    assert [sorted(found[name]) for name in names] == [everybody, everybody, [""]]


async def test_products_are_known_by_the_catalogue_as_it_is_now(
    node: EdgeProcess, streams: Writer, settings: Settings
) -> None:
    topic = settings.kafka.topic_table().products.name

    async def answers(product_id: str, status: int) -> None:
        async def answered() -> bool:
            event = {"type": "view", "product_id": product_id}
            return (await node.client.post("/v1/events", json=event, headers=node.headers("ada"))).status_code == status

        await node.until(answered)

    await answers("nope", 202)
    await streams.raw(topic, b"mug", encode(PRODUCTS[0]))
    await answers("nope", 422)
    await answers("mug", 202)
    await streams.raw(topic, b"mug", None)
    await answers("nope", 202)


async def test_a_banner_is_withheld_while_a_gate_refuses_its_product_as_it_is_now(
    node: EdgeProcess, streams: Writer, settings: Settings
) -> None:
    topics = settings.kafka.topic_table()
    product = with_rev(replace(PRODUCTS[0], product_id="product-a"))
    refusal = Refusal(
        product_id="product-a", locale="*", rev=product.rev or "", code="words", reason="no", refused_at=1
    )

    async def shown(epoch: int) -> None:
        async def is_shown() -> bool:
            return await node.epoch("ada") == epoch

        await node.until(is_shown)

    await streams.announce("a")
    await streams.assign("ada", 5, "a")
    await shown(5)
    await streams.raw(topics.refusals.name, b"product-a/*", encode(refusal))
    await streams.raw(topics.products.name, b"product-a", encode(product))
    await shown(0)
    await streams.raw(topics.products.name, b"product-a", encode(with_rev(replace(product, title="Another"))))
    await shown(5)


async def test_an_erased_visitor_leaves_the_view_and_the_open_page_is_told(node: EdgeProcess, streams: Writer) -> None:
    await streams.announce("a")
    await streams.assign("ada", 5, "a")

    async def shown() -> bool:
        return await node.epoch("ada") == 5

    await node.until(shown)
    address = f"/v1/visitors/{streams.key('ada')}"
    async with live(node, "ada") as events:
        assert (await events.next())[1] == "5"
        assert (await node.client.get(address)).json() == {"held": True, "streams": 1}
        await streams.delete("ada")
        assert (await events.next())[0] == "erased"
        assert await events.ended()
    assert (await node.client.get(address)).json() == {"held": False, "streams": 0}
    assert (await node.client.get(f"/v1/pointers/{streams.key('ada')}")).json()["epoch"] == 0
    await streams.assign("ada", 1, "a")

    async def back() -> bool:
        return await node.epoch("ada") == 1

    await node.until(back)


async def test_without_kafka_it_shows_the_default_and_is_not_ready(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    away = {**environment, "BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    node = EdgeProcess(settings, away, tmp_path / "edge.log", ack_timeout_s=2)
    try:

        async def answers() -> bool:
            try:
                return (await node.client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await node.until(answers)
        assert (await node.client.get("/readyz")).status_code == 503
        banner = (await node.client.get("/v1/banner", headers=node.headers("ada"))).json()
        assert (banner["epoch"], banner["tier"]) == (0, "default")
        event = {"type": "click", "product_id": "mug"}
        response = await node.client.post("/v1/events", json=event, headers=node.headers("ada"))
        assert response.status_code == 503
        assert "retry-after" in response.headers
    finally:
        await node.client.aclose()
        node.process.stop()
