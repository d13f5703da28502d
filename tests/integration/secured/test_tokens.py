"""Tokens that expire while clients run: the broker closes their connections, and nothing is lost or written twice."""

import asyncio

import pytest

from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.tail import partitions_of, reading
from bannerstream.broker.topics import create_topics
from tests.support.secured_kafka import Deployment
from tests.support.token_endpoint import TokenEndpoint
from tests.support.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120), pytest.mark.pairs("embedded"), pytest.mark.servers("s3")]

LIFE_S = 3


async def test_a_token_that_expires_is_renewed_and_the_client_goes_on(
    deployment: Deployment, endpoint: TokenEndpoint
) -> None:
    await deployment.grant("operator", "shop", "streams")
    await create_topics(deployment.settings("operator").kafka)
    endpoint.life_s = LIFE_S
    shop, streams = deployment.settings("shop", "token").kafka, deployment.settings("streams", "token").kafka
    topic = shop.topic_table().clicks.name
    partitions = await partitions_of(streams, topic)
    sent: list[bytes] = []
    read: list[bytes] = []

    async def send(publisher: Publisher) -> None:
        while not renewed():
            value = f"{len(sent)}".encode()
            await publisher.publish_all([Outgoing(topic, b"ada", value, [])])
            sent.append(value)
            await asyncio.sleep(0.05)

    def renewed() -> bool:
        """Whether both clients have outlived their first tokens: they have connected with at least two more."""
        return all([client for client, _ in endpoint.issued].count(name) >= 3 for name in ("shop", "streams"))

    async def receive(consumer: object) -> None:
        while not (renewed() and len(read) >= len(sent)):
            fetched = await consumer.getmany(timeout_ms=200)  # type: ignore[attr-defined]  # aiokafka has no types
            read.extend(record.value for records in fetched.values() for record in records)

    async with Publisher(shop) as publisher, reading(streams, partitions) as consumer:
        receiving = asyncio.create_task(receive(consumer))
        await asyncio.wait_for(send(publisher), 90)
        await asyncio.wait_for(receiving, 90)
    assert read == sent


async def test_a_client_waits_for_a_token_endpoint_that_is_away(
    deployment: Deployment, endpoint: TokenEndpoint
) -> None:
    await deployment.grant("operator", "shop")
    await create_topics(deployment.settings("operator").kafka)
    endpoint.life_s = LIFE_S
    shop = deployment.settings("shop", "token").kafka
    record = Outgoing(shop.topic_table().clicks.name, b"ada", b"a click", [])
    written = 0

    async def write(publisher: Publisher) -> None:
        nonlocal written
        while True:
            await publisher.publish_all([record])
            written += 1
            await asyncio.sleep(0.05)

    async with Publisher(shop) as publisher:
        writing = asyncio.create_task(write(publisher))
        await until(lambda: written)
        endpoint.away = True
        refused = len(endpoint.forms) + 2
        await until(lambda: len(endpoint.forms) > refused, "the client has asked for the next token in vain")
        endpoint.away = False
        before = written
        await until(lambda: written > before + 2 or writing.done(), "the client writes with its next token")
        assert not writing.done(), writing.exception()
        writing.cancel()
