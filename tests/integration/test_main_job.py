"""The main job on every pair of servers, from events to banners that can be fetched."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from io import BytesIO
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from jsonschema import Draft202012Validator
from PIL import Image

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import BannerReady
from bannerstream.contracts.schema import json_schemas
from bannerstream.contracts.sizes import SIZES
from bannerstream.settings import Settings
from bannerstream.storage.store import IMMUTABLE
from tests.support.main_job import MainJob, StoredObject, ga4, segment

pytestmark = pytest.mark.timeout(300)

ADA, BOB, CLEO, DAN = USERS = tuple(f"{name}-5f1c@example.org" for name in ("ada", "bob", "cleo", "dan"))
MUG, KETTLE, PHONES = "mug-stoneware-terracotta", "kettle-gooseneck", "headphones"


@pytest.fixture
async def job(settings: Settings, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[MainJob]:
    async with MainJob(settings, environment, tmp_path) as job:
        yield job


async def test_events_of_every_format_become_banners_that_can_be_fetched(job: MainJob) -> None:
    clicks, purchases = job.topics.clicks.name, job.topics.purchases.name

    await job.shop.send(ADA, product_id=KETTLE)
    await job.shop.send(BOB, value=segment("Product Added", BOB, MUG))
    await job.shop.send(CLEO, value=ga4("view_item", CLEO, PHONES))
    first = {user: await job.assignment(user) for user in (ADA, BOB, CLEO)}
    assert {user: assignment.product_id for user, assignment in first.items()} == {ADA: KETTLE, BOB: MUG, CLEO: PHONES}
    await job.ready(*(assignment.banner_key for assignment in first.values()))

    # Repeated events (Bob's with the same id, which counts once), and another visitor with the same affinity: no new
    # decision, no new banner.
    await job.shop.send(ADA, product_id=KETTLE)
    await job.shop.send(BOB, value=segment("Product Added", BOB, MUG))
    await job.shop.send(DAN, product_id=KETTLE)
    await job.folded(5)
    assert (await job.assignment(DAN)).banner_key == first[ADA].banner_key
    assert [await job.assignments(user) for user in first] == [[assignment] for assignment in first.values()]
    assert {request.banner_key for request in await job.requests()} == {
        assignment.banner_key for assignment in first.values()
    }

    # A purchase removes the product from the buyer's banner at once, and from nobody else's.
    await job.shop.send(BOB, topic=purchases, value=segment("Order Completed", BOB, MUG))
    await job.shop.send(CLEO, topic=purchases, value=ga4("purchase", CLEO, PHONES))
    second = {user: await job.assignment(user, epoch=2) for user in (BOB, CLEO)}
    assert second[BOB].product_id != MUG
    assert second[CLEO].product_id != PHONES
    await job.folded(7)
    assert len(await job.assignments(ADA)) == len(await job.assignments(DAN)) == 1

    wanted = {each.banner_key for each in (*first.values(), *second.values())}
    ready = await job.ready(*wanted)
    assert {request.banner_key for request in await job.requests()} == ready.keys() == wanted
    assert all(0 < event.ready_at - event.event_appended_at < 120_000 for event in ready.values())

    stored = await asyncio.to_thread(job.stored)
    check_pictures(ready.values(), stored)
    records = {role: await job.shop.read(getattr(job.topics, role).name) for role in OURS}
    check_messages(records, stored)
    everything = [each for topic in records.values() for each in topic] + await job.shop.read(job.shop.changelog)
    assert not users_in(everything, stored)
    assert users_in(await job.shop.read(clicks), []) == set(USERS), "the search finds user ids where they exist"


OURS = {
    "products": "Product",
    "cohorts": "Cohort",
    "assignments": "Assignment",
    "requests": "BannerRequest",
    "ready": "BannerReady",
}
"""The topics that Bannerstream writes, and the schemas of their messages."""


def check_pictures(ready: Iterable[BannerReady], stored: Iterable[StoredObject]) -> None:
    """Check that every ready event has a manifest and pictures with the announced properties."""
    objects = {stored_object.key: stored_object for stored_object in stored}
    sizes = {each.name: each for each in SIZES}
    for event in ready:
        manifest = decode(objects[event.manifest_key].content, Manifest)
        assert objects[event.manifest_key].headers["content-type"] == "application/json"
        assert (manifest.banner_key, manifest.renditions) == (event.banner_key, event.renditions)
        assert {each.size for each in event.renditions} == sizes.keys()
        assert {each.media_type for each in event.renditions} == {"image/webp", "image/jpeg"}
        for rendition in event.renditions:
            blob = objects[rendition.blob_key]
            assert len(blob.content) == rendition.bytes <= sizes[rendition.size].max_bytes
            assert hashlib.sha256(blob.content).hexdigest() == rendition.sha256
            assert rendition.sha256 in rendition.blob_key
            assert blob.headers["content-type"] == rendition.media_type
            assert blob.headers["cache-control"] == IMMUTABLE
            with Image.open(BytesIO(blob.content)) as picture:
                picture.load()
                assert Image.MIME[str(picture.format)] == rendition.media_type
                assert picture.size == (rendition.width, rendition.height)
                assert len(picture.convert("RGB").getcolors(maxcolors=picture.width * picture.height) or ()) > 100
            size = sizes[rendition.size]
            assert (rendition.width, rendition.height) == (size.width, size.height)
    manifests = [stored_object.key for stored_object in objects.values() if stored_object.key.startswith("manifests/")]
    assert len(manifests) == len({event.manifest_key for event in ready}), "as many banners as were announced"


def check_messages(records: dict[str, list[ConsumerRecord]], stored: Iterable[StoredObject]) -> None:
    """Check that messages and manifests match their published schemas and have CloudEvents headers."""
    schemas = json_schemas()
    for role, schema in OURS.items():
        assert records[role], role
        for record in records[role]:
            Draft202012Validator(schemas[schema]).validate(json.loads(record.value))
            headers = dict(record.headers)
            assert headers["ce_specversion"] == b"1.0"
            assert headers["ce_type"].startswith(b"io.bannerstream.")
            assert headers["content-type"] == b"application/json"
            assert {"ce_id", "ce_source", "ce_time"} <= headers.keys()
    for blob in stored:
        if blob.key.startswith("manifests/"):
            Draft202012Validator(schemas["Manifest"]).validate(json.loads(blob.content))


def users_in(records: Iterable[ConsumerRecord], stored: Iterable[StoredObject]) -> set[str]:
    """Return the visitors whose ids occur anywhere in these records and objects."""
    texts = [
        part
        for record in records
        for part in (record.key, record.value, *(value for _, value in record.headers))
        if part
    ]
    texts += [
        part
        for stored_object in stored
        for part in (stored_object.key.encode(), stored_object.content, repr(stored_object.headers).encode())
    ]
    names = {user: (user.encode(), user.partition("@")[0].encode()) for user in USERS}
    return {user for user, forms in names.items() for form in forms if any(form in text for text in texts)}
