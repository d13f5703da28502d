"""An edge node without Kafka or a bucket: tests fill its tables, and its records stay in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from bannerstream.contracts.keys import blob_object_key
from bannerstream.contracts.messages import Assignment, BannerReady, Rendition
from bannerstream.edge.app import create_app
from bannerstream.edge.fakes import MemorySink
from bannerstream.edge.node import EdgeNode
from bannerstream.settings import Settings
from bannerstream.storage.fakes import MemoryBannerStore

ORIGIN = "http://edge.test"


def ready(key: str, *, cohort: str = "cooks", revision: int = 1, **changes: Any) -> BannerReady:
    """Return the ready event of the banner whose key is `key` repeated."""
    sha256 = f"{revision:064x}"
    given: dict[str, Any] = {
        "banner_key": banner_key(key),
        "manifest_key": f"manifests/{banner_key(key)}.json",
        "product_id": f"product-{key}",
        "cohort_id": cohort,
        "renditions": tuple(
            Rendition(
                size=f"{width}x{height}",
                blob_key=blob_object_key(sha256, "webp"),
                width=width,
                height=height,
                bytes=5,
                sha256=sha256,
                media_type="image/webp",
            )
            for width, height in ((970, 250), (300, 250))
        ),
        "engine": "studio",
        "revision": revision,
        "ready_at": 1,
        "event_appended_at": 1,
        "headline": f"Headline {key}",
    }
    return BannerReady(**(given | changes))


def assignment(user_key: str, epoch: int, key: str, cohort: str = "cooks") -> Assignment:
    """Return the assignment of a banner to a visitor."""
    return Assignment(
        user_key=user_key,
        epoch=epoch,
        banner_key=banner_key(key),
        product_id=f"product-{key}",
        cohort_id=cohort,
        decided_at=1,
    )


def banner_key(key: str) -> str:
    """Return a banner key: a hex digit, repeated 64 times."""
    return key * 64


@dataclass
class Fetched:
    """The fields of a consumed record that the topic follower reads."""

    offset: int
    key: bytes
    value: bytes | None
    timestamp: int = 1


@dataclass
class Node:
    """A node, its HTTP client, and the records that it wrote."""

    edge: EdgeNode
    sink: MemorySink
    store: MemoryBannerStore
    client: httpx.AsyncClient = field(init=False)

    def headers(self, user: str = "ada") -> dict[str, str]:
        """Return the headers of a visitor."""
        return {"Authorization": f"Bearer {self.edge.tokens.mint(user)}"}

    def key(self, user: str = "ada") -> str:
        """Return a visitor's user key."""
        return self.edge.tokens.visitor(self.edge.tokens.mint(user)).key

    def assign(self, epoch: int, key: str, user: str = "ada", cohort: str = "cooks") -> None:
        """Apply an assignment, as the topic follower does."""
        if self.edge.visitors.assign(self.key(user), assignment(self.key(user), epoch, key, cohort)):
            self.edge.hub.notify(self.key(user))

    def announce(self, key: str, **changes: Any) -> None:
        """Apply a ready event, as the topic follower does."""
        number, _ = self.edge.banners.announce(ready(key, **changes))
        self.edge.resolver.changed(number)
        for user_key in self.edge.visitors.settle(number):
            self.edge.hub.notify(user_key)

    async def read(self, topic: str, *records: tuple[bytes, bytes | None]) -> None:
        """Have the topic follower apply records (key, value) of a topic: `assignments` or `ready`."""
        name = getattr(self.edge.settings.kafka.topic_table(), topic).name
        fetched = [Fetched(offset, key, value) for offset, (key, value) in enumerate(records)]
        await self.edge.follower._apply(TopicPartition(name, 0), fetched)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        return self.edge.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running_node(*, machine_clock: Callable[[], float] = time.time, **settings: Any) -> AsyncIterator[Node]:
    """Yield a node with these settings of `edge`, which writes to memory; `machine_clock` returns epoch seconds."""
    sink, store = MemorySink(), MemoryBannerStore()
    edge = EdgeNode(Settings(edge=settings), store, CollectorRegistry(), lambda: sink, machine_clock)
    node = Node(edge, sink, store)
    writing = asyncio.create_task(edge.outbox.run())
    transport = httpx.ASGITransport(create_app(edge))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        node.client = client
        try:
            yield node
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
