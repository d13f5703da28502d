"""Each topic lost in turn, then the bucket's blobs, then a worker's disk: docs/recovery.md brings all of it back."""

import asyncio
import json
import shlex
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.broker.connection import client_options
from bannerstream.broker.topics import changelog_name, create_topics, describe_topics
from bannerstream.cli.main import run_command
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import Assignment, BannerReady, BannerRequest
from bannerstream.contracts.topics import Topics
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from tests.support.catalogue_folder import product, write_folder
from tests.support.recovery_page import sections
from tests.support.stored_banners import store_banner
from tests.support.streams_worker import Shop, Worker
from tests.support.waiting import until

pytestmark = [pytest.mark.pairs("apache-minio"), pytest.mark.timeout(240)]

SECTIONS = sections()
Bannerstream = Callable[..., Any]


@pytest.fixture
def bannerstream(
    capsys: pytest.CaptureFixture[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Bannerstream:
    """Return a function that runs a line of the page; `names` are put in the place of its placeholders."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    async def run(line: str, *, code: int = 0, **names: str | Path) -> str:
        words = [str(names.get(word, word)) for word in shlex.split(line)]
        assert words[0] == "bannerstream"
        capsys.readouterr()
        status = await asyncio.to_thread(run_command, words[1:])
        output = capsys.readouterr()
        assert status == code, f"{line}: {output.out}{output.err}"
        return output.out

    return run


async def lose(settings: Settings, *topics: str) -> None:
    """Delete topics; return once no broker lists them."""
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        await admin.delete_topics(list(topics))
    finally:
        await admin.close()

    async def gone() -> bool:
        return not set(topics) & (await describe_topics(settings.kafka)).keys()

    await until(gone, f"{topics} are gone")


def lost(role: str, settings: Settings) -> tuple[str, tuple[str, ...]]:
    """Return the name of a topic in this test, and the page's commands for its loss."""
    return getattr(settings.kafka.topic_table(), role).name, SECTIONS[f"`{getattr(Topics(), role).name}`"].commands


# ---- what only has to be there again


@pytest.mark.servers("kafka")
@pytest.mark.parametrize("role", ["refusals", "feedback", "erasures", "dead_letters"])
async def test_a_topic_whose_content_is_lost_or_comes_back_by_itself(
    role: str, settings: Settings, bannerstream: Bannerstream
) -> None:
    await bannerstream("bannerstream topics create")
    topic, commands = lost(role, settings)
    await lose(settings, topic)
    assert topic in await bannerstream("bannerstream topics check --json", code=5)
    for line in commands:
        await bannerstream(line, USER_ID="u-1")
    assert json.loads(await bannerstream("bannerstream topics check --json")) == []


# ---- what commands write again


@pytest.mark.parametrize("role", ["products", "cohorts"])
async def test_the_catalogue_is_loaded_again(
    role: str, settings: Settings, bannerstream: Bannerstream, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path, product("mug-1"), product("mug-2"))
    topic, commands = lost(role, settings)
    kinds: dict[str, Any] = {"products": Product, "cohorts": Cohort}

    async def held() -> dict[str, Any]:
        return await read_compacted(settings.kafka, topic, lambda value: decode(value, kinds[role]))

    for line in ("bannerstream topics create", "bannerstream storage create", "bannerstream catalog load FOLDER"):
        await bannerstream(line, FOLDER=folder)
    before = await held()
    assert before
    await lose(settings, topic)
    for line in commands:
        await bannerstream(line, FOLDER=folder)
    assert await held() == before


async def test_ready_banners_are_announced_from_the_bucket_and_broken_ones_requested(
    settings: Settings, bannerstream: Bannerstream, tmp_path: Path
) -> None:
    """The topic is lost, then blobs, then product pictures."""
    folder = write_folder(tmp_path, product("mug-1"))
    await bannerstream("bannerstream topics create")
    for line in SECTIONS["The whole bucket"].commands:
        await bannerstream(line, FOLDER=folder)
    topics = settings.kafka.topic_table()
    products = await read_compacted(settings.kafka, topics.products.name, lambda value: decode(value, Product))
    mug = products["mug-1"]
    store = S3BannerStore(settings.storage)
    try:
        key = await banner_key_of(mug, settings)
        stored = [
            await asyncio.to_thread(store_banner, store, name, (content,), product=mug)
            for name, content in ((key, b"one"), ("b" * 64, b"two"))
        ]
        topic, commands = lost("ready", settings)
        await lose(settings, topic)
        for line in commands:
            await bannerstream(line)
        ready = await read_compacted(settings.kafka, topic, lambda value: decode(value, BannerReady))
        assert {name: event.renditions for name, event in ready.items()} == {
            manifest.banner_key: manifest.renditions for manifest in stored
        }

        (line,) = SECTIONS["Blobs or manifests"].commands
        await bannerstream(line)
        await asyncio.to_thread(store.bucket.remove, stored[0].renditions[0].blob_key)
        await bannerstream(line, code=5)
        requests = await read_compacted(
            settings.kafka, topics.requests.name, lambda value: decode(value, BannerRequest)
        )
        assert {name: request.repairs_revision for name, request in requests.items()} == {key: 1}

        assert mug.image_key is not None
        await asyncio.to_thread(store.bucket.remove, mug.image_key)
        for line in SECTIONS["Product pictures"].commands:
            await bannerstream(line, FOLDER=folder)
        assert await asyncio.to_thread(store.has_image, mug.image_key)
    finally:
        store.close()


async def banner_key_of(mug: Product, settings: Settings) -> str:
    topic = settings.kafka.topic_table().cohorts.name
    cohorts = await read_compacted(settings.kafka, topic, lambda value: decode(value, Cohort))
    return banner_key(mug, cohorts[next(iter(mug.cohorts))], locale=mug.locale, variant="a", creative_revision="1")


# ---- what streams brings back


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    """A shop in which Ada has clicked a mug and streams has decided."""
    await create_topics(settings.kafka, changelog=changelog_name(settings.streams.app_id))
    async with Shop(settings) as shop:
        yield shop


class Streams:
    """Starts and stops workers, each with settings of its own."""

    def __init__(self, shop: Shop, environment: dict[str, str], folder: Path) -> None:
        self.shop = shop
        self.environment = environment
        self._folder = folder
        self._count = 0

    async def run(self, *, click: str, then: Callable[[], Any], **variables: str) -> None:
        """Run a worker while Ada clicks a product again and again, until that has come true; then stop it."""
        self._count += 1
        log = self._folder / f"worker-{self._count}.log"
        with Worker(self.shop.settings, self.environment | variables, log) as worker:

            async def happened() -> bool:
                await self.shop.send("ada", product_id=click)
                return bool(await then())

            await until(happened, lambda: f"what was lost is back: {worker.log.read_text()[-3000:]}")
            assert await asyncio.to_thread(worker.terminate) == 0

    async def assignments(self) -> list[tuple[int, str]]:
        """Return Ada's decisions in the topic: epoch and product."""
        records = await self.shop.read(self.shop.topics.assignments.name)
        found = [decode(record.value, Assignment) for record in records if record.value is not None]
        return [(assignment.epoch, assignment.product_id) for assignment in found]


@pytest.fixture
async def streams(shop: Shop, environment: dict[str, str], tmp_path: Path) -> Streams:
    streams = Streams(shop, environment, tmp_path)

    async def decided() -> bool:
        return (1, "mug") in await streams.assignments()

    await streams.run(click="mug", then=decided)
    return streams


@pytest.mark.servers("kafka")
async def test_what_was_requested_is_requested_again(
    streams: Streams, settings: Settings, bannerstream: Bannerstream
) -> None:
    topic, commands = lost("requests", settings)
    await lose(settings, topic)
    for line in commands:
        await bannerstream(line)

    async def requested() -> bool:
        return [
            decode(record.value, BannerRequest).product.product_id for record in await streams.shop.read(topic)
        ] == ["mug"]

    await streams.run(click="mug", then=requested)
    assert {epoch for epoch, _ in await streams.assignments()} == {1}, "no new decision"


@pytest.mark.servers("kafka")
async def test_every_decision_is_announced_again(
    streams: Streams, settings: Settings, bannerstream: Bannerstream
) -> None:
    topic, (create, start) = lost("assignments", settings)
    await lose(settings, topic)
    await bannerstream(create)
    variable, *command = shlex.split(start)
    assert command == ["bannerstream", "run", "streams"]
    name, _, value = variable.partition("=")

    async def announced() -> bool:
        return (1, "mug") in await streams.assignments()

    await streams.run(click="mug", then=announced, **{name: value})


@pytest.mark.servers("kafka")
async def test_states_are_built_again_from_the_events_that_are_still_there(
    streams: Streams, settings: Settings, bannerstream: Bannerstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = f"{settings.streams.app_id}-2"
    await lose(settings, changelog_name(settings.streams.app_id), settings.kafka.topic_table().assignments.name)
    monkeypatch.setenv("BANNERSTREAM_STREAMS__APP_ID", again)
    for line in SECTIONS["Changelog of the affinities"].commands:
        await bannerstream(line)

    async def decided_as_before() -> bool:
        return not {(1, "mug"), (2, "blanket")}.isdisjoint(await streams.assignments())

    # The blanket is the second decision only for a worker that has folded the clicks of the mug.
    await streams.run(click="blanket", then=decided_as_before, BANNERSTREAM_STREAMS__APP_ID=again)


@pytest.mark.servers("kafka")
async def test_events_come_under_new_names(
    streams: Streams, settings: Settings, bannerstream: Bannerstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clicks, commands), (purchases, others) = lost("clicks", settings), lost("purchases", settings)
    await lose(settings, clicks, purchases)
    names = json.dumps(settings.kafka.topics | {"clicks": f"{clicks}-2", "purchases": f"{purchases}-2"})
    monkeypatch.setenv("BANNERSTREAM_KAFKA__TOPICS", names)
    for line in dict.fromkeys((*commands, *others)):
        await bannerstream(line)
    streams.shop.topics = settings.kafka.model_copy(update={"topics": json.loads(names)}).topic_table()

    async def folded_once() -> bool:
        return (2, "shoe") in await streams.assignments()

    await streams.run(click="shoe", then=folded_once, BANNERSTREAM_KAFKA__TOPICS=names)


@pytest.mark.servers("kafka")
async def test_a_worker_without_its_disk_goes_on(streams: Streams, settings: Settings) -> None:
    assert SECTIONS["A streams worker's disk"].commands == ("bannerstream run streams",)
    shutil.rmtree(settings.streams.data_dir)

    async def decided_after_the_first() -> bool:
        return (2, "shoe") in await streams.assignments()

    await streams.run(click="shoe", then=decided_after_the_first)
    assert {epoch for epoch, _ in await streams.assignments()} >= {1, 2}
