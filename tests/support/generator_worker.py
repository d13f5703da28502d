"""Requests to a generator and its results, for integration and fault tests."""

import asyncio
import time
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer

from bannerstream.broker.connection import client_options
from bannerstream.broker.publisher import Publisher
from bannerstream.broker.topics import create_topics
from bannerstream.contracts.catalog import Cohort, Price, Product, with_rev
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerReady, BannerRequest
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.waiting import PATIENCE_S

COHORT = with_rev(
    Cohort(cohort_id="cosy", name="Cosy home", mood=("warm",), palette=("#fbe9c3", "#e2a07c", "#5b2a1c"), light="day")
)


def request_for(name: str) -> BannerRequest:
    """Return a request, dated now, for the banner of a mug of this name."""
    product = with_rev(
        Product(
            product_id=name,
            title=f"Stoneware Mug {name}",
            category="kitchen",
            cohorts={"cosy": 1.0},
            price=Price(amount="24.90", currency="EUR"),
        )
    )
    now = time.time_ns() // 1_000_000
    return BannerRequest(
        banner_key=banner_key(product, COHORT, locale="en", variant="a", creative_revision="1"),
        product=product,
        cohort=COHORT,
        locale="en",
        variant="a",
        creative_revision="1",
        requested_at=now,
        event_appended_at=now,
    )


async def prepare(settings: Settings) -> None:
    """Create this test's topics and bucket."""
    await create_topics(settings.kafka)
    store = S3BannerStore(settings.storage)
    store.ensure_bucket()
    store.close()


async def publish_requests(settings: Settings, requests: Sequence[BannerRequest]) -> None:
    """Publish requests."""
    topic = settings.kafka.topic_table().requests.name
    async with Publisher(settings.kafka) as publisher:
        for request in requests:
            event = CloudEvent(id=request.banner_key, type="banner.requested", source="test", time=request.requested_at)
            await publisher.publish(topic, request.banner_key, request, event)


async def ready_events(
    settings: Settings, enough: Callable[[list[BannerReady]], bool], *, patience_s: float = PATIENCE_S
) -> list[BannerReady]:
    """Return every ready event so far, once `enough` of them returns True.

    Raises:
        AssertionError: that took longer than `patience_s`.
    """
    topic = settings.kafka.topic_table().ready.name
    found: list[BannerReady] = []
    consumer = AIOKafkaConsumer(topic, **client_options(settings.kafka), auto_offset_reset="earliest")
    await consumer.start()
    try:
        deadline = time.monotonic() + patience_s
        while not enough(found):
            assert time.monotonic() < deadline, f"only {len(found)} ready events within {patience_s:.0f} s"
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode(record.value, BannerReady) for record in records]
    finally:
        await consumer.stop()
    return found


async def assert_readable(settings: Settings, events: Sequence[BannerReady]) -> None:
    """Check that every event's manifest and blobs can be fetched."""
    store = S3BannerStore(settings.storage)
    try:
        for event in events:
            manifest = await asyncio.to_thread(store.manifest, event.banner_key)
            assert manifest is not None
            assert manifest.renditions == event.renditions
            for rendition in event.renditions:
                assert len(await asyncio.to_thread(store.get_blob, rendition.blob_key)) == rendition.bytes
    finally:
        store.close()
