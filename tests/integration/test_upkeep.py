"""`bannerstream storage` on real servers: verifies, repairs and sweeps a bucket with lost and damaged objects."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.broker.publisher import Publisher
from bannerstream.cli.main import run_command
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.pipeline.pipeline import MadeBanner, Pipeline
from bannerstream.generator.worker.announcer import announce
from bannerstream.generator.worker.records import read_request
from bannerstream.settings.model import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.pointers import read_ready
from bannerstream.upkeep.repairs import from_topic
from bannerstream.upkeep.sweep import SweepOptions, SweepReport, sweep
from tests.support.catalogue_folder import product, write_folder
from tests.support.generator_fakes import NOW, Fakes
from tests.support.generator_worker import prepare, publish_requests
from tests.support.stored_banners import ready_of, store_banner

pytestmark = [pytest.mark.pairs("embedded", "apache-minio", "apache-versitygw"), pytest.mark.timeout(120)]


class Shop:
    """A shop's bucket and topics, a generator that makes what is requested, and the command line."""

    def __init__(self, settings: Settings, store: S3BannerStore, fakes: Fakes, run: Callable[..., Any]) -> None:
        self.settings = settings
        self.store = store
        self.run = run
        self.pipeline = Pipeline(fakes.composer(), store, fakes.executor, now=lambda: NOW)
        self.requests: list[BannerRequest] = []

    async def open(self, folder: Path) -> None:
        """Load a catalogue of two products, and make and announce a banner of each."""
        await prepare(self.settings)
        await asyncio.to_thread(self.run, "catalog", "load", str(folder))
        topics = self.settings.kafka.topic_table()
        products = await read_compacted(self.settings.kafka, topics.products.name, lambda value: decode(value, Product))
        cohorts = await read_compacted(self.settings.kafka, topics.cohorts.name, lambda value: decode(value, Cohort))
        for name, record in sorted(products.items()):
            cohort = cohorts[next(iter(record.cohorts))]
            key = banner_key(record, cohort, locale=record.locale, variant="a", creative_revision="1")
            self.requests.append(
                BannerRequest(
                    banner_key=key,
                    product=record,
                    cohort=cohort,
                    locale=record.locale,
                    variant="a",
                    creative_revision="1",
                    requested_at=NOW,
                    event_appended_at=NOW,
                )
            )
            assert name == record.product_id
        await publish_requests(self.settings, self.requests)
        await self.make(self.requests)

    async def make(self, requests: list[BannerRequest]) -> list[MadeBanner]:
        """Make and announce the banners of these requests, as a generator does."""
        made = [outcome for outcome in self.pipeline.make(requests) if isinstance(outcome, MadeBanner)]
        assert len(made) == len(requests)
        async with Publisher(self.settings.kafka) as publisher:
            await announce(made, publisher, self.settings.kafka.topic_table(), NOW)
        return made

    async def make_what_is_requested(self) -> list[MadeBanner]:
        """Make the latest request of each banner that the topic holds."""
        requested = await from_topic([request.banner_key for request in self.requests], self.settings.kafka)
        return await self.make(list(requested.values()))

    async def sweep(self, *, outdated: bool = False) -> SweepReport:
        """Sweep as if forty days later, when everything that is stored now is old."""
        now = datetime.now(UTC) + timedelta(days=40)
        options = SweepOptions(delete=True, outdated=outdated)
        return await sweep(self.settings, self.store, options, pace=Pace(1000), now=now)

    def object_keys(self) -> set[str]:
        """Return the key of every object."""
        return {found.key for found in self.store.bucket.objects()}

    def overwrite(self, key: str, content: bytes) -> None:
        """Change an object directly, as a failing disk does."""
        self.store.bucket._minio.put_object(self.store.bucket.name, key, BytesIO(content), len(content))


@pytest.fixture
def shop(
    settings: Settings,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Shop]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        status = run_command(list(arguments))
        output = capsys.readouterr()
        assert status == code, f"{arguments}: {output.out}{output.err}"
        return json.loads(output.out) if "--json" in arguments else output.out + output.err

    store = S3BannerStore(settings.storage)
    with ThreadPoolExecutor(4) as executor:
        yield Shop(settings, store, Fakes(executor), run)
    store.close()


async def test_what_the_bucket_lost_and_spoilt_is_found_and_made_again(shop: Shop, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "catalogue", product("mug-1"), product("mug-2", image=None))
    await shop.open(folder)
    whole = await asyncio.to_thread(shop.run, "storage", "verify", "--json")
    assert (whole["manifests"], whole["blobs"], whole["pictures"], whole["findings"]) == (2, 4, 1, [])

    first, second = (shop.store.manifest(request.banner_key) for request in shop.requests)
    assert first is not None
    assert second is not None
    spoilt = first.renditions[0]
    shop.overwrite(spoilt.blob_key, bytes(spoilt.bytes))
    lost = f"manifests/{second.banner_key}.json"
    shop.store.bucket.remove(lost)
    unknown = store_banner(shop.store, "e" * 64, (b"of a product that was withdrawn long ago",))
    async with Publisher(shop.settings.kafka) as publisher:
        event = CloudEvent(id="1", type="banner.ready", source="test", time=NOW)
        topic = shop.settings.kafka.topic_table().ready.name
        await publisher.publish(topic, unknown.banner_key, ready_of(unknown), event)
    shop.store.bucket.remove(unknown.renditions[0].blob_key)
    found = await asyncio.to_thread(shop.run, "storage", "verify", "--json", "--repair", code=5)
    assert {(finding["kind"], finding["key"]) for finding in found["findings"]} == {
        ("blob_spoilt", spoilt.blob_key),
        ("ready_without_manifest", lost),
        ("blob_missing", unknown.renditions[0].blob_key),
    }
    assert found["not_repairable"] == found["withdrawn"] == [unknown.banner_key]
    assert unknown.banner_key not in await read_ready(shop.settings.kafka), "else pages show a broken picture"
    assert set(found["requested_again"]) == {request.banner_key for request in shop.requests}

    made = await shop.make_what_is_requested()
    assert [banner.manifest.revision for banner in made] == [2, 2]
    assert read_request(encode(made[0].request)).repairs_revision == 1
    await shop.sweep()  # of the withdrawn one
    assert (await asyncio.to_thread(shop.run, "storage", "verify", "--json"))["findings"] == []


async def test_a_sweep_removes_what_nothing_needs_and_nothing_else(shop: Shop, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "catalogue", product("mug-1"), product("mug-2", image=None))
    await shop.open(folder)
    shop.store.put_description("kept", Description(subject="a", attributes=(), setting="b", describer="c"))
    needed = shop.object_keys()
    stray = shop.store.put_blob(b"of a crash", "image/webp")
    orphan = store_banner(shop.store, "f" * 64, (b"of a crash", b"nobody's"))
    orphans = {stray, orphan.renditions[1].blob_key, f"manifests/{orphan.banner_key}.json"}
    upload = shop.store.bucket._minio._create_multipart_upload(shop.store.bucket.name, "catalogue/aa/large.png", {})
    begun = shop.store.bucket.uploads()
    assert [found.upload_id for found in begun] in ([upload], []), "MinIO lists none"

    looked = await asyncio.to_thread(shop.run, "storage", "sweep", "--json")
    assert (looked["deleted"], looked["manifests"], looked["blobs"], looked["uploads"]) == (False, [], [], [])
    assert shop.object_keys() == needed | orphans

    report = await shop.sweep()
    assert report.removed is not None
    assert [found.upload_id for found in report.removed.uploads] == [found.upload_id for found in begun]
    assert shop.store.bucket.uploads() == []
    assert shop.object_keys() == needed
    assert report.requested_again == ()
    assert (await asyncio.to_thread(shop.run, "storage", "verify", "--json"))["findings"] == []
    usage = await asyncio.to_thread(shop.run, "storage", "usage", "--json")
    assert sum(part["objects"] for part in usage) == len(needed)
    assert {part["prefix"] for part in usage} == {"blobs/", "catalogue/", "descriptions/", "manifests/"}


async def test_outdated_banners_lose_their_pointer_first_and_their_objects_another_time(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.open(write_folder(tmp_path / "1", product("mug-1"), product("mug-2", image=None)))
    changed = write_folder(tmp_path / "2", product("mug-1", title="Cup"), product("mug-2", title="Cup", image=None))
    await asyncio.to_thread(shop.run, "catalog", "load", str(changed))
    before = shop.object_keys()

    report = await shop.sweep(outdated=True)
    (withdrawn,) = report.withdrawn  # the other one is the cohort's default banner meanwhile
    assert (await read_ready(shop.settings.kafka)).keys() == {request.banner_key for request in shop.requests} - {
        withdrawn
    }
    assert shop.object_keys() == before, "pages and CDNs may still hold it"

    report = await shop.sweep(outdated=True)
    assert report.removed is not None
    assert [banner.banner_key for banner in report.removed.manifests] == [withdrawn]
    assert f"manifests/{withdrawn}.json" not in shop.object_keys()
    assert (await asyncio.to_thread(shop.run, "storage", "verify", "--json"))["findings"] == []
