"""The streams worker on real brokers: events lead to assignments and requests, also with bad records between them."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bannerstream.broker.connection import client_options
from bannerstream.broker.errors import TopicMismatch
from bannerstream.broker.publisher import Publisher
from bannerstream.broker.topics import create_topics, describe_topics
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment, BannerRequest, Refusal
from bannerstream.settings import Settings
from bannerstream.streams.affinity import unpack
from bannerstream.streams.topics import prepare_topics
from tests.support.shop import PRODUCTS, product
from tests.support.streams_worker import Shop, Worker
from tests.support.waiting import until

pytestmark = pytest.mark.servers("kafka")


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    async with Shop(settings) as shop:
        yield shop


@pytest.fixture
def worker(shop: Shop, environment: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    with Worker(shop.settings, environment, tmp_path / "worker.log") as worker:
        yield worker


def key_of(user: str, settings: Settings) -> str:
    return user_key(user, settings.privacy.user_key_secret.get_secret_value().encode())


def segment_product_viewed(user: str, product_id: str) -> bytes:
    return json.dumps(
        {
            "type": "track",
            "event": "Product Viewed",
            "messageId": f"m-{user}",
            "userId": user,
            "timestamp": "2026-11-01T12:00:00.000Z",
            "properties": {"product_id": product_id},
        }
    ).encode()


async def test_a_click_leads_to_an_assignment_and_a_request_for_its_banner(shop, worker, settings):
    await shop.send("ada")
    (assigned,) = await shop.read_until(shop.topics.assignments.name, bool)
    (requested,) = await shop.read_until(shop.topics.requests.name, bool)
    assignment, request = decode(assigned.value, Assignment), decode(requested.value, BannerRequest)
    assert (assignment.user_key, assignment.epoch) == (key_of("ada", settings), 1)
    assert (assignment.product_id, assignment.cohort_id) == ("mug", "cosy")
    assert request.banner_key == assignment.banner_key
    assert request.product.title == "Mug"
    assert assigned.key == assignment.user_key.encode()
    assert requested.key == request.banner_key.encode()
    headers = dict(requested.headers)
    assert headers["ce_id"] == f"{request.banner_key}:{assignment.user_key}:1".encode()
    assert headers["ce_type"] == b"io.bannerstream.banner.request"
    assert b"ada" not in assigned.value + requested.value


async def test_a_purchase_takes_the_product_off_the_banner_and_visitors_share_requests(shop, worker, settings):
    await shop.send("ada")
    await shop.send("bob")
    await shop.read_until(shop.topics.assignments.name, lambda records: len(records) == 2)
    await shop.send("ada", topic=shop.topics.purchases.name)
    assignments = [
        decode(record.value, Assignment)
        for record in await shop.read_until(shop.topics.assignments.name, lambda records: len(records) == 3)
    ]
    last = max(
        (assignment for assignment in assignments if assignment.user_key == key_of("ada", settings)),
        key=lambda assignment: assignment.epoch,
    )
    assert (last.epoch, last.product_id) == (2, "blanket")
    requested = [
        decode(record.value, BannerRequest).product.product_id for record in await shop.read(shop.topics.requests.name)
    ]
    assert sorted(requested) == ["blanket", "mug"]


async def test_bad_records_become_dead_letters_and_the_stream_goes_on(shop, worker, settings):
    await shop.send("ada", value=b"\xff not json")
    await shop.send("ada", product_id=17)
    await shop.send("ada", value=b"x" * 900_001)
    await shop.send("ada", product_id="ghost")
    await shop.send("ada", time=4_000_000_000_000)
    await shop.send("ada", key=None)
    await shop.send("eve", key=b"somebody else")
    await shop.send("ada", value=segment_product_viewed("ada", "shoe"))
    await shop.read_until(shop.topics.assignments.name, bool)
    letters = [
        DeadLetter.from_record(record.key, record.value, record.headers)
        for record in await shop.read_until(shop.topics.dead_letters.name, lambda records: len(records) == 7)
    ]
    assert sorted(letter.code for letter in letters) == [
        "implausible_time",
        "malformed",
        "malformed",
        "oversized",
        "unknown_product",
        "wrong_key",
        "wrong_key",
    ]
    await shop.caught_up()


@pytest.mark.pairs("apache-minio", "apache-versitygw")  # hung once on noida-db, which never removes dead members
async def test_a_restarted_worker_goes_on_from_the_changelog(shop, worker, settings):
    await shop.send("ada", kind="cart")
    await shop.read_until(shop.topics.assignments.name, bool)
    assert worker.terminate() == 0
    assert await shop.behind() == 0
    worker.start()
    await shop.send("ada", product_id="mug", kind="purchase")
    assignments = await shop.read_until(shop.topics.assignments.name, lambda records: len(records) == 2)
    assert [decode(assignment.value, Assignment).epoch for assignment in assignments] == [1, 2]
    states = {record.key: unpack(record.value) for record in await shop.read(shop.changelog)}
    state = states[key_of("ada", settings).encode()]
    assert state.epoch == 2
    assert state.offsets == {shop.topics.clicks.name: 1}
    assert state.purchased.keys() == {"mug"}


async def test_a_product_loaded_later_is_known_without_a_restart(shop, worker, settings):
    await shop.send("ada")
    await shop.read_until(shop.topics.assignments.name, bool)
    await shop.load(product("lantern", {"cosy": 1.0}))

    async def lantern_is_shown() -> bool:
        await shop.send(f"visitor-{uuid.uuid4()}", product_id="lantern")
        assignments = await shop.read(shop.topics.assignments.name)
        return any(decode(assignment.value, Assignment).product_id == "lantern" for assignment in assignments)

    await until(lantern_is_shown, "the new product is shown")


async def test_a_refused_product_gives_way_and_its_next_revision_is_on_offer(shop, worker, settings):
    async def decided(epoch: int) -> str:
        records = await shop.read_until(
            shop.topics.assignments.name,
            lambda records: any(decode(record.value, Assignment).epoch == epoch for record in records),
        )
        return next(
            assignment.product_id
            for assignment in (decode(record.value, Assignment) for record in records)
            if assignment.epoch == epoch
        )

    await shop.send("ada")
    assert await decided(1) == "mug"
    refusal = Refusal(product_id="mug", locale="*", rev=PRODUCTS[0].rev, code="words", reason="no", refused_at=1)
    async with Publisher(settings.kafka) as publisher:
        await publisher.publish_raw(shop.topics.refusals.name, b"mug/*", encode(refusal))

    async def clicked_until(epoch: int, product_id: str) -> None:
        async def is_decided() -> bool:
            await shop.send("ada", product_id=product_id)
            records = await shop.read(shop.topics.assignments.name)
            return any(decode(record.value, Assignment).epoch == epoch for record in records)

        await until(is_decided, f"decision {epoch}")

    await clicked_until(2, "mug")
    assert await decided(2) == "blanket"
    await shop.load(product("mug", {"cosy": 1.0}, title="Another mug"))
    await clicked_until(3, "mug")
    assert await decided(3) == "mug"


async def test_inputs_with_unlike_partition_counts_stop_the_start(settings: Settings) -> None:
    await create_topics(settings.kafka)
    names = settings.kafka.topics | {"purchases": f"{settings.kafka.topics['purchases']}.narrow"}
    kafka = settings.kafka.model_copy(update={"topics": names})
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    await admin.create_topics([NewTopic(names["purchases"], num_partitions=1, replication_factor=1)])
    await admin.close()

    async def all_are_there() -> bool:
        return {*settings.kafka.topics.values(), names["purchases"]} <= (await describe_topics(kafka)).keys()

    await until(all_are_there, "the topics are there")
    with pytest.raises(TopicMismatch, match="equally many partitions"):
        await prepare_topics(kafka, "unused-changelog")
