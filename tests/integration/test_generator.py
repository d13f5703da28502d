"""The generator as a process on real servers: requests in, banners stored and announced."""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from bannerstream.broker import dead_letters
from bannerstream.broker.compacted_view import CompactedView
from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.catalog import with_rev
from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.manifest import Block
from bannerstream.contracts.messages import Refusal
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.storage.store import REVALIDATE
from tests.support.generator_worker import (
    COHORT,
    assert_readable,
    prepare,
    publish_requests,
    ready_events,
    request_for,
)
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(240)


def generator(environment: dict[str, str], folder: Path) -> ChildProcess:
    return ChildProcess(
        [sys.executable, "-P", "-m", "bannerstream.generator"],
        name="generator",
        log_file=folder / "generator.log",
        environment=environment | {"BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": "6"},
        folder=Path(__file__).parents[2],
    )


async def test_requests_become_banners_and_bad_ones_dead_letters(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await prepare(settings)
    requests = [request_for(f"mug-{number}") for number in range(3)]
    topic = settings.kafka.topic_table().requests.name
    forged = encode(msgspec.structs.replace(requests[0], banner_key=requests[1].banner_key))
    with generator(environment, tmp_path) as worker:
        async with Publisher(settings.kafka) as publisher:  # in the partition of a valid request, and before it
            await publisher.publish_raw(topic, requests[0].banner_key.encode(), b"\xff not json")
            await publisher.publish_raw(topic, requests[0].banner_key.encode(), forged)
        await publish_requests(settings, requests)
        keys = {request.banner_key for request in requests}
        events = await ready_events(settings, lambda found: {event.banner_key for event in found} >= keys)
        await assert_readable(settings, events)
        assert all(event.engine == "studio" for event in events)
        assert {(rendition.size, rendition.media_type) for rendition in events[0].renditions} >= {
            ("970x250", "image/webp")
        }

        letters = [stored.letter async for stored in dead_letters.read(settings.kafka)]
        key = requests[0].banner_key.encode()
        assert sorted((letter.code, letter.key, letter.value, letter.topic) for letter in letters) == [
            ("malformed", key, b"\xff not json", topic),
            ("mismatched_key", key, forged, topic),
        ]

        # A repeated request: announced again, not made again.
        await publish_requests(settings, requests[:1])
        again = await ready_events(
            settings, lambda found: sum(event.banner_key == requests[0].banner_key for event in found) == 2
        )
        first, second = (event for event in again if event.banner_key == requests[0].banner_key)
        assert (second.renditions, second.revision) == (first.renditions, first.revision)

        assert await asyncio.to_thread(worker.stop) == 0
    assert "stopped" in worker.log_tail(5)


async def test_a_restarted_generator_makes_only_what_is_new(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await prepare(settings)
    old, new = request_for("old"), request_for("new")
    with generator(environment, tmp_path) as worker:
        await publish_requests(settings, [old])
        await ready_events(settings, lambda found: len(found) == 1)
        assert await asyncio.to_thread(worker.stop) == 0  # a clean stop commits what it announced
    await publish_requests(settings, [new])
    with generator(environment, tmp_path):
        events = await ready_events(settings, lambda found: any(e.banner_key == new.banner_key for e in found))
    assert sorted(event.banner_key for event in events) == sorted([old.banner_key, new.banner_key])


async def test_a_worker_that_starts_before_its_servers_have_topics_waits(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    unreachable = environment | {"BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    await prepare(settings)
    with generator(unreachable, tmp_path) as worker:

        def waits() -> bool:
            assert worker.poll() is None, worker.log_tail(50)
            return "waiting" in worker.log_tail(50)

        await until(waits, lambda: worker.log_tail(50))
        assert await asyncio.to_thread(worker.stop) == 0


async def test_what_cannot_be_made_is_refused_and_offered_again_by_a_generator_that_can(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await prepare(settings)
    topic = settings.kafka.topic_table().refusals.name
    store = S3BannerStore(settings.storage)
    block = Block(product_id="knife", product_rev="0" * 16, gate="words", reason="no", blocked_at=1)
    store.bucket.put("blocked/00.json", encode(block), "application/json", REVALIDATE, "put_block")
    store.close()
    product = with_rev(msgspec.structs.replace(request_for("mug").product, title="Mug \U00012000"))  # cuneiform
    request = msgspec.structs.replace(
        request_for("mug"),
        product=product,
        banner_key=banner_key(product, COHORT, locale="en", variant="a", creative_revision="1"),
    )
    elsewhere = Refusal(
        product_id="cup", locale="en", rev="0" * 16, code="letters", reason="?", refused_at=1, letters="C", fonts="0"
    )
    async with Publisher(settings.kafka) as publisher, CompactedView(settings.kafka, topic, as_refusal) as view:
        await publisher.publish_raw(topic, b"cup/en", encode(elsewhere))
        await until(lambda: "cup/en" in view.current())
        # Without the system's fonts.
        with generator(environment | {"XDG_DATA_DIRS": str(tmp_path)}, tmp_path) as worker:
            await publish_requests(settings, [request])
            await until(
                lambda: view.current().keys() == {"knife/*", "mug/en"},
                lambda: f"knife and mug are refused, not {sorted(view.current())}: {worker.log_tail(20)}",
                patience_s=30,
            )
            refusal = view.current()["mug/en"]
            assert (refusal.code, refusal.rev, refusal.letters) == ("letters", product.rev, "\U00012000")
            assert await asyncio.to_thread(worker.stop) == 0
    letters = [stored.letter async for stored in dead_letters.read(settings.kafka)]
    assert [letter.code for letter in letters] == ["unmakeable"]


def as_refusal(payload: bytes) -> Refusal:
    return decode(payload, Refusal)
