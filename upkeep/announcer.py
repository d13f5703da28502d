"""Announces the banners that lie in the bucket: writes `banner.ready` again from the manifests, where it lost them.

What the topic has under the same revision, or a newer one, is passed over: an interrupted run goes on where it was,
and a second one writes nothing. A banner whose files are not all there is not announced: `bannerstream storage verify
--repair` has it made again. Oldest first, so that the latest banner of a cohort is its default, as it was.

A generator may store a newer revision of a banner meanwhile. It stores the manifest before it writes the ready event,
so each manifest is read again after its event is acknowledged, and a newer one is announced, too.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

import structlog
from msgspec import Struct

from bannerstream.broker.compacted_view import CompactedView
from bannerstream.broker.publisher import Outgoing, Publisher, outgoing
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.manifest import Manifest, ready_event
from bannerstream.settings import KafkaSettings
from bannerstream.storage.bucket import StoredObject
from bannerstream.storage.store import MANIFEST_PREFIX
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.ports import Store

SOURCE = "bannerstream/announce"
"""CloudEvents source of ready events that were written again."""

_THREADS = 8
_BATCH = 64
"""Banners that are acknowledged together: an interruption repeats as many, which does no harm."""

_T = TypeVar("_T")
_R = TypeVar("_R")
_log = structlog.get_logger(__name__)


class Publishes(Protocol):
    """`broker.publisher.Publisher`, as far as it is needed here."""

    async def publish_all(self, records: Iterable[Outgoing]) -> object:
        """Publish records and wait for all acknowledgements."""
        ...


@dataclass(slots=True)
class Announced:
    """What a run did."""

    announced: int = 0
    known: int = 0
    """Banners that the topic had already."""
    incomplete: int = 0
    """Banners of which a file or the manifest cannot be read; not announced."""


async def announce_stored(
    store: Store,
    kafka: KafkaSettings,
    pace: Pace,
    *,
    since: datetime | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Announced:
    """Announce what lies in the bucket and the topic of ready banners does not have: see `ManifestAnnouncer`.

    Raises:
        StorageError, ServiceUnavailable, ConfigurationError: run it again, it goes on.
    """
    topic = kafka.topic_table().ready.name
    async with (
        Publisher(kafka, client_id="bannerstream-announce") as publisher,
        CompactedView(kafka, topic, _revision) as view,
    ):
        await view.caught_up()
        return await ManifestAnnouncer(store, publisher, topic, view.current(), pace).announce(since, on_progress)


def _revision(payload: bytes) -> int:
    return decode(payload, _Revision).revision


class _Revision(Struct):
    """As much of a ready event as is compared."""

    revision: int


class ManifestAnnouncer:
    """Announces what lies in the bucket and `topic` does not have.

    `revisions` holds the latest revision of each banner in the topic, and may change while this runs.
    """

    def __init__(
        self, store: Store, publisher: Publishes, topic: str, revisions: Mapping[str, int], pace: Pace
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._topic = topic
        self._revisions = revisions
        self._pace = pace

    async def announce(self, since: datetime | None, on_progress: Callable[[int, int], None]) -> Announced:
        """Announce the manifests that were stored since then (all, without a time); call `on_progress(done, total)`.

        Raises:
            StorageError, ServiceUnavailable, ConfigurationError: run it again, it goes on.
        """
        listed = await asyncio.to_thread(lambda: list(self._store.bucket.objects(MANIFEST_PREFIX)))
        stored = [found for found in listed if since is None or found.modified_at >= since]
        stored.sort(key=lambda found: found.modified_at)
        done = Announced()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="announce") as threads:
            for start in range(0, len(stored), _BATCH):
                on_progress(start, len(stored))
                await self._announce(threads, stored[start : start + _BATCH], done)
        on_progress(len(stored), len(stored))
        return done

    async def _announce(self, threads: ThreadPoolExecutor, part: list[StoredObject], done: Announced) -> None:
        keys = [found.key.removeprefix(MANIFEST_PREFIX).removesuffix(".json") for found in part]
        while keys:
            found = await asyncio.to_thread(_all, threads, self._whole, keys)
            due = [manifest for manifest in found if isinstance(manifest, Manifest)]
            await self._publisher.publish_all([self._record(manifest) for manifest in due])
            done.announced += len(due)
            done.known += found.count("known")
            done.incomplete += found.count("incomplete")
            outdated = await asyncio.to_thread(_all, threads, self._outdated, due)
            keys = [key for key in outdated if key is not None]

    def _whole(self, banner_key: str) -> Manifest | Literal["known", "incomplete"]:
        """Return a manifest that is to be announced, or why it is not."""
        self._pace.wait()
        manifest = self._store.manifest(banner_key)
        if manifest is None:
            return "incomplete"
        if self._revisions.get(banner_key, 0) >= manifest.revision:
            return "known"
        for rendition in manifest.renditions:
            self._pace.wait()
            found = self._store.bucket.stat(rendition.blob_key, "head_blob")
            if found is None or found.bytes != rendition.bytes:
                _log.warning("banner_incomplete", banner_key=banner_key, blob=rendition.blob_key)
                return "incomplete"
        return manifest

    def _outdated(self, announced: Manifest) -> str | None:
        """Return the key of a banner that has been stored under a newer revision than the one announced."""
        self._pace.wait()
        manifest = self._store.manifest(announced.banner_key)
        return None if manifest is None or manifest.revision <= announced.revision else manifest.banner_key

    def _record(self, manifest: Manifest) -> Outgoing:
        key, made_at = manifest.banner_key, manifest.created_at
        event = CloudEvent(
            id=f"{key}:{manifest.revision}", type="banner.ready", source=SOURCE, time=made_at, subject=key
        )
        return outgoing(self._topic, key, ready_event(manifest, ready_at=made_at, event_appended_at=made_at), event)


def _all(threads: ThreadPoolExecutor, work: Callable[[_T], _R], items: list[_T]) -> list[_R]:
    return list(threads.map(work, items))
