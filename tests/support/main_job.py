"""The main job on one pair of servers: topics, bucket, catalogue, and streams and generator as processes."""

import asyncio
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import ConsumerRecord
from minio import Minio

from bannerstream.broker.topics import changelog_name, create_topics
from bannerstream.catalog.folder import COHORTS_FILE, PRODUCTS_FILE, read_catalogue
from bannerstream.catalog.loader import load
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment, BannerReady, BannerRequest
from bannerstream.contracts.times import rfc3339
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.demo.workers import LOG_FILE, Workers, start_workers
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.streams_worker import Shop
from tests.support.waiting import until

PRODUCT_IDS = ("mug-stoneware-terracotta", "kettle-gooseneck", "headphones", "football")
"""Enough that every cohort still has a product after a purchase; few enough that all are painted in seconds."""


def write_catalogue(folder: Path, products: Sequence[str] = PRODUCT_IDS) -> Path:
    """Write the example catalogue with only these products into a folder and return it."""
    folder.mkdir(parents=True)
    shutil.copy(CATALOGUE / COHORTS_FILE, folder)
    lines = [line for line in (CATALOGUE / PRODUCTS_FILE).read_text().splitlines() if line]
    chosen = [line for line in lines if json.loads(line)["product_id"] in products]
    assert len(chosen) == len(products)
    (folder / PRODUCTS_FILE).write_text("".join(f"{line}\n" for line in chosen))
    for line in chosen:
        picture = folder / json.loads(line)["image"]
        picture.parent.mkdir(exist_ok=True)
        shutil.copy(CATALOGUE / json.loads(line)["image"], picture)
    return folder


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def segment(event: str, user: str, *products: str, at: int | None = None) -> bytes:
    """Return a track call as Segment's libraries write it."""
    items = [{"product_id": product, "sku": f"S-{product}", "quantity": 1} for product in products]
    properties = {"order_id": f"o-{user}", "products": items} if event == "Order Completed" else items[0]
    call = {
        "type": "track",
        "event": event,
        "messageId": f"ajs-{user}-{'-'.join(products)}",
        "userId": user,
        "anonymousId": "507f191e810c19729de860ea",
        "timestamp": rfc3339(now_ms() if at is None else at),
        "context": {"library": {"name": "analytics.js", "version": "2.11.1"}},
        "properties": properties,
    }
    return json.dumps(call).encode()


def ga4(name: str, user: str, *products: str, at: int | None = None) -> bytes:
    """Return a request body of the Measurement Protocol."""
    items = [{"item_id": product, "quantity": 1} for product in products]
    params: dict[str, Any] = {"currency": "EUR", "value": 10, "items": items}
    if name == "purchase":
        params["transaction_id"] = f"T-{user}"
    body = {
        "client_id": "1234.5678",
        "user_id": user,
        "timestamp_micros": (now_ms() if at is None else at) * 1000,
        "events": [{"name": name, "params": params}],
    }
    return json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the bucket with the headers of its response."""

    key: str
    content: bytes
    headers: Mapping[str, str]


class MainJob:
    """Runs everything between the shop's events and ready banners."""

    def __init__(self, settings: Settings, environment: dict[str, str], folder: Path) -> None:
        self.settings = settings
        self.shop = Shop(settings, cohorts=(), products=())
        self.topics = self.shop.topics
        self.workers: Workers
        self._environment = environment
        self._folder = folder
        self._until_the_end = ExitStack()

    async def __aenter__(self) -> Self:
        kafka = self.settings.kafka
        await create_topics(kafka, changelog=changelog_name(self.settings.streams.app_id))
        store = S3BannerStore(self.settings.storage)
        await asyncio.to_thread(store.ensure_bucket)
        store.close()
        await load(read_catalogue(write_catalogue(self._folder / "catalogue")), self.settings)
        starting = start_workers(self._environment, self._folder)
        try:
            self.workers = await asyncio.to_thread(self._until_the_end.enter_context, starting)
            await self.shop.__aenter__()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._until_the_end.close)
        if self.shop.is_open:
            await self.shop.__aexit__(kind, error, at)
        print((self._folder / LOG_FILE).read_text()[-8000:])  # noqa: T201  (pytest shows it with a failure)

    def user_key(self, user: str) -> str:
        """Return a visitor's user key in this deployment."""
        return user_key(user, self.settings.privacy.user_key_secret.get_secret_value().encode())

    async def folded(self, count: int) -> None:
        """Return once streams has folded this many events."""

        async def are_folded() -> bool:
            self.workers.check()
            return await asyncio.to_thread(self.workers.events_folded) >= count

        await until(are_folded, f"{count} events are folded")
        await self.shop.caught_up()

    async def assignments(self, user: str) -> list[Assignment]:
        """Return a visitor's assignments so far, without repeats, in order of epoch."""
        found = [decode(record.value, Assignment) for record in await self.shop.read(self.topics.assignments.name)]
        own = {assignment.epoch: assignment for assignment in found if assignment.user_key == self.user_key(user)}
        return [own[epoch] for epoch in sorted(own)]

    async def assignment(self, user: str, epoch: int = 1) -> Assignment:
        """Wait for a visitor's assignment of this epoch and return it."""
        await self.shop.read_until(
            self.topics.assignments.name,
            lambda records: any(
                (assignment.user_key, assignment.epoch) == (self.user_key(user), epoch)
                for assignment in (decode(record.value, Assignment) for record in records)
            ),
        )
        return (await self.assignments(user))[epoch - 1]

    async def requests(self) -> list[BannerRequest]:
        return [decode(record.value, BannerRequest) for record in await self.shop.read(self.topics.requests.name)]

    async def ready(self, *banner_keys: str) -> dict[str, BannerReady]:
        """Return every ready event by its banner key, once these banners are ready."""

        def are_ready(records: Sequence[ConsumerRecord]) -> bool:
            self.workers.check()
            return {record.key.decode() for record in records} >= set(banner_keys)

        records = await self.shop.read_until(self.topics.ready.name, are_ready)
        return {record.key.decode(): decode(record.value, BannerReady) for record in records}

    def stored(self) -> list[StoredObject]:
        """Return all objects of the bucket, read with the minio client."""
        storage = self.settings.storage
        client = Minio(
            storage.endpoint,
            access_key=storage.access_key,
            secret_key=storage.secret_key.get_secret_value(),
            secure=storage.secure,
            region=storage.region,
        )
        found = []
        for listed in client.list_objects(storage.bucket, recursive=True):
            key = str(listed.object_name)
            response = client.get_object(storage.bucket, key)
            try:
                headers = {name.lower(): value for name, value in response.headers.items()}
                found.append(StoredObject(key, response.read(), headers))
            finally:
                response.close()
                response.release_conn()
        client._http.clear()
        return found
