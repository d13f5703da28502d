"""`bannerstream storage` on real servers: a bucket that lost things is found out, repaired, swept."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.broker.publisher import Publisher
from bannerstream.cli.main import run_command
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.pipeline.pipeline import MadeBanner, Pipeline
from bannerstream.generator.worker.announcer import announce
from bannerstream.generator.worker.records import read_request
from bannerstream.settings.model import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.upkeep.repairs import from_topic
from tests.support.catalogue_folder import product, write_folder
from tests.support.generator_fakes import NOW, Fakes
from tests.support.generator_worker import ask, prepare

pytestmark = [pytest.mark.pairs("embedded", "apache-minio", "apache-versitygw"), pytest.mark.timeout(120)]


class Shop:
    """A shop's bucket and topics, a generator that makes what it is asked for, and the command line."""

    def __init__(self, settings: Settings, store: S3BannerStore, fakes: Fakes, run: Callable[..., Any]) -> None:
        self.settings = settings
        self.store = store
        self.run = run
        self.pipeline = Pipeline(fakes.composer(), store, fakes.executor, now=lambda: NOW)
        self.requests: list[BannerRequest] = []

    async def open(self, folder: Path) -> None:
        """Load a catalogue of two products; have a banner made of each, and announced."""
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
        await ask(self.settings, self.requests)
        await self.make(self.requests)

    async def make(self, requests: list[BannerRequest]) -> list[MadeBanner]:
        """Do what a generator does with requests."""
        made = [outcome for outcome in self.pipeline.make(requests) if isinstance(outcome, MadeBanner)]
        assert len(made) == len(requests)
        async with Publisher(self.settings.kafka) as publisher:
            await announce(made, publisher, self.settings.kafka.topic_table(), NOW)
        return made

    async def make_what_is_asked(self) -> list[MadeBanner]:
        """Make the latest request of each banner that the topic holds."""
        asked = await from_topic([request.banner_key for request in self.requests], self.settings.kafka)
        return await self.make(list(asked.values()))

    def overwrite(self, key: str, content: bytes) -> None:
        """Change an object behind the store's back, as a failing disk does."""
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
    found = await asyncio.to_thread(shop.run, "storage", "verify", "--json", "--repair", code=5)
    assert {(finding["kind"], finding["key"]) for finding in found["findings"]} == {
        ("blob_spoilt", spoilt.blob_key),
        ("ready_without_manifest", lost),
    }
    assert set(found["asked_again"]) == {request.banner_key for request in shop.requests}

    made = await shop.make_what_is_asked()
    assert [banner.manifest.revision for banner in made] == [2, 2]
    assert read_request(encode(made[0].request)).repairs_revision == 1
    assert (await asyncio.to_thread(shop.run, "storage", "verify", "--json"))["findings"] == []
