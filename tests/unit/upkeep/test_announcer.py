"""What lies in the bucket is announced where the topic lost it, and nothing newer is replaced."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from bannerstream.broker.publisher import Outgoing
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.messages import BannerReady
from bannerstream.storage.fakes import MemoryBannerStore
from bannerstream.upkeep.announcer import Announced, ManifestAnnouncer
from bannerstream.upkeep.pace import Pace
from tests.support.stored_banners import store_banner

KEYS = [character * 64 for character in "abc"]


class Topic:
    """The topic of ready banners, and the publisher that writes it."""

    def __init__(self) -> None:
        self.events: list[BannerReady] = []
        self.revisions: dict[str, int] = {}
        self.failures = 0
        self.on_publish: Callable[[], object] = lambda: None

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        records = list(records)
        if records:
            self.on_publish()
        if self.failures:
            self.failures -= 1
            raise ServiceUnavailable("no broker answers")
        for record in records:
            assert record.topic == "banner.ready"
            event = decode(record.value or b"", BannerReady)
            assert record.key == event.banner_key.encode()
            assert dict(record.headers)["ce_id"] == f"{event.banner_key}:{event.revision}".encode()
            self.events.append(event)
            self.revisions[event.banner_key] = event.revision


@pytest.fixture
def store() -> MemoryBannerStore:
    return MemoryBannerStore()


@pytest.fixture
def topic() -> Topic:
    return Topic()


async def announce(
    store: MemoryBannerStore, topic: Topic, since: datetime | None = None, steps: list[Any] | None = None
) -> Announced:
    announcer = ManifestAnnouncer(store, topic, "banner.ready", topic.revisions, Pace(1000, sleep=lambda _: None))
    return await announcer.announce(since, lambda *step: None if steps is None else steps.append(step))


async def test_every_banner_is_announced_once(store: MemoryBannerStore, topic: Topic) -> None:
    manifests = [store_banner(store, key) for key in KEYS]
    steps: list[Any] = []
    assert await announce(store, topic, steps=steps) == Announced(announced=3)
    assert {event.banner_key: event.renditions for event in topic.events} == {
        manifest.banner_key: manifest.renditions for manifest in manifests
    }
    assert (steps[0], steps[-1]) == ((0, 3), (3, 3))
    assert await announce(store, topic) == Announced(known=3)
    assert len(topic.events) == 3


async def test_an_interrupted_run_goes_on(store: MemoryBannerStore, topic: Topic) -> None:
    for key in KEYS:
        store_banner(store, key)
    topic.failures = 1
    with pytest.raises(ServiceUnavailable):
        await announce(store, topic)
    topic.revisions[KEYS[0]] = 1  # acknowledged before the failure
    assert await announce(store, topic) == Announced(announced=2, known=1)


async def test_a_newer_revision_in_the_topic_is_never_replaced(store: MemoryBannerStore, topic: Topic) -> None:
    store_banner(store, KEYS[0], revision=2)
    topic.revisions[KEYS[0]] = 3
    assert await announce(store, topic) == Announced(known=1)
    topic.revisions[KEYS[0]] = 1
    assert await announce(store, topic) == Announced(announced=1)
    assert topic.revisions == {KEYS[0]: 2}


async def test_a_banner_that_is_made_again_meanwhile_ends_with_its_newest_revision(
    store: MemoryBannerStore, topic: Topic
) -> None:
    """The generator stores the manifest and announces it; the older event that is under way arrives after it."""
    old = store_banner(store, KEYS[0])

    def made_again() -> None:
        topic.on_publish = lambda: None
        store.put_manifest(msgspec.structs.replace(old, revision=2))

    topic.on_publish = made_again
    assert await announce(store, topic) == Announced(announced=2)
    assert [event.revision for event in topic.events] == [1, 2]


async def test_a_banner_that_is_not_whole_is_not_announced(store: MemoryBannerStore, topic: Topic) -> None:
    manifests = [store_banner(store, key, (b"own " + key.encode(),)) for key in KEYS]
    del store.objects[manifests[0].renditions[0].blob_key]
    store.objects[manifests[1].renditions[0].blob_key] = b""
    store.objects[f"manifests/{'d' * 64}.json"] = b"<html>"
    assert await announce(store, topic) == Announced(announced=1, incomplete=3)
    assert topic.revisions == {KEYS[2]: 1}


async def test_what_was_stored_before_is_left_out(store: MemoryBannerStore, topic: Topic) -> None:
    store_banner(store, KEYS[0])
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert await announce(store, topic, since=tomorrow) == Announced()
    assert await announce(store, topic, since=datetime(2020, 1, 1, tzinfo=UTC)) == Announced(announced=1)


async def test_the_latest_banner_is_announced_last(store: MemoryBannerStore, topic: Topic) -> None:
    """It is its cohort's default."""
    for day, key in enumerate((KEYS[2], KEYS[0], KEYS[1]), start=1):
        store_banner(store, key)
        store.bucket.modified_at[f"manifests/{key}.json"] = datetime(2026, 1, day, tzinfo=UTC)
    await announce(store, topic)
    assert [event.banner_key for event in topic.events] == [KEYS[2], KEYS[0], KEYS[1]]
    topic.events.clear()
    topic.revisions.clear()
    await announce(store, topic, since=datetime(2026, 1, 2, tzinfo=UTC))
    assert [event.banner_key for event in topic.events] == [KEYS[0], KEYS[1]]
