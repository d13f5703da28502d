"""Removes from the bucket what nothing needs, in an order that leaves nothing dangling.

Reading: pointers (assignments, ready events) first, then manifests, then blobs, so that whatever is written meanwhile
is younger than its age. Removing, in the opposite order of writing: pointer, manifest, blob.

1. Outdated banners, if chosen (`upkeep.withdrawals`): the tombstone of the ready event is acknowledged, then the
   manifest is written again as it is. From now on nothing points to it, and its age begins again: pages and CDNs that
   hold it have that time.
2. Manifests that nothing points to, after the pointers were read again.
3. Blobs that no manifest and no ready event names, each after a look at when it was last written. A generator that
   needs a blob older than a day writes it again (`storage.store.FRESH_S`); no sweep takes one younger than two days.
4. What is left is a write in the milliseconds between a look and a removal. So pointers, and manifests that are new,
   are read once more: what needs something that was removed is found, and requested again as `verify` does.

Only manifests, blobs and uploads are listed: catalogue pictures, descriptions, scenes and blocks are never removed.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

from bannerstream.contracts.keys import manifest_object_key
from bannerstream.storage.bucket import StoredObject
from bannerstream.storage.errors import BrokenAnswer
from bannerstream.storage.store import BLOB_PREFIX, MANIFEST_PREFIX
from bannerstream.upkeep.findings import Finding
from bannerstream.upkeep.known_banner import KnownBanner
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.pointers import Catalogue, Pointers
from bannerstream.upkeep.ports import Store
from bannerstream.upkeep.sweep_plan import (
    Ages,
    StoredBanner,
    SweepPlan,
    needed_blobs,
    outdated,
    unneeded_blobs,
    unpointed,
)

_THREADS = 8
"""Requests to the store at once: the pace, not the wait for answers, decides how fast the sweep is."""
_PART = 64
_CLOCKS_APART = timedelta(minutes=15)
"""The most by which S3's signatures let this machine's clock differ from the store's."""

_T = TypeVar("_T")

OnProgress = Callable[[str, int, int], None]
"""Called with (step, done, of how many)."""


def no_progress(_step: str, _done: int, _total: int) -> None:
    """Show nothing."""


class Sweeper:
    """Plans and removes. `now` is the time of the plan, by which ages count."""

    def __init__(
        self, store: Store, pace: Pace, now: datetime, ages: Ages, on_progress: OnProgress = no_progress
    ) -> None:
        self._store = store
        self._pace = pace
        self._new_since = now - _CLOCKS_APART
        self._uploads_before = now - ages.uploads
        self._outdated_before = now - ages.outdated
        self._manifests_before = now - ages.manifests
        self._blobs_before = now - ages.blobs
        self._on_progress = on_progress

    def plan(
        self, pointers: Pointers, withdraw_from: Catalogue | None = None, creative_revision: str = ""
    ) -> SweepPlan:
        """Return what may go. Outdated banners are looked for where their catalogue is given. Changes nothing.

        Raises:
            StorageError: the store does not answer.
        """
        plan = SweepPlan()
        plan.uploads = [upload for upload in self._store.bucket.uploads() if upload.begun_at < self._uploads_before]
        banners = self._read(list(self._store.bucket.objects(MANIFEST_PREFIX)))
        plan.listed_manifests = len(banners)
        plan.manifests = unpointed(banners, pointers, self._manifests_before)
        if withdraw_from is not None:
            plan.outdated = outdated(banners, pointers, withdraw_from, creative_revision, self._outdated_before)
        going = {banner.banner_key for banner in plan.manifests}
        staying = [banner for banner in banners if banner.banner_key not in going]
        plan.unreadable = [banner.stored.key for banner in staying if banner.manifest is None]
        needed = needed_blobs(staying, pointers.ready)
        blobs, plan.listed_blobs = unneeded_blobs(self._store.bucket.objects(BLOB_PREFIX), needed, self._blobs_before)
        plan.blobs = [] if plan.unreadable else blobs
        return plan

    def remove(self, plan: SweepPlan, pointers: Pointers) -> SweepPlan:
        """Remove what the plan names and `pointers`, read since, still do not need; return what was removed.

        Outdated banners are not part of it: their pointers go first, and they themselves another time.

        Raises:
            StorageError: the store does not answer; what was removed is removed, sweep again.
        """
        removed = SweepPlan()
        for upload in self._paced("uploads", plan.uploads):
            self._store.bucket.abort(upload)
            removed.uploads.append(upload)
        still = {banner.banner_key for banner in unpointed(plan.manifests, pointers, self._manifests_before)}
        for banner in self._paced("manifests", plan.manifests):
            if banner.banner_key in still:
                self._store.bucket.remove(banner.stored.key)
                removed.manifests.append(banner)
        needed = needed_blobs((banner for banner in plan.manifests if banner.banner_key not in still), pointers.ready)
        unneeded, _ = unneeded_blobs(plan.blobs, needed, self._blobs_before)
        for blob in self._paced("blobs", unneeded):
            found = self._store.bucket.stat(blob.key, "head_blob")
            if found is not None and found.modified_at < self._blobs_before:
                self._store.bucket.remove(blob.key)
                removed.blobs.append(blob)
        return removed

    def missed(self, removed: SweepPlan, pointers: Pointers) -> list[Finding]:
        """Return what needs something that was removed, by pointers read since and manifests written since.

        Raises:
            StorageError: the store does not answer.
        """
        findings: list[Finding] = []
        for banner in removed.manifests:
            ready = pointers.ready.get(banner.banner_key)
            key = manifest_object_key(banner.banner_key)
            if ready is not None and self._store.bucket.stat(key, "head_manifest") is None:
                known = KnownBanner(banner.banner_key, banner.manifest, ready)
                findings.append(known.finding("ready_without_manifest", key, "it was announced while a sweep ran"))
        gone = {blob.key for blob in removed.blobs}
        if not gone:
            return findings
        since = [found for found in self._store.bucket.objects(MANIFEST_PREFIX) if found.modified_at >= self._new_since]
        for banner in self._read(since):
            known = KnownBanner(banner.banner_key, banner.manifest, pointers.ready.get(banner.banner_key))
            findings += [
                known.finding("blob_missing", rendition.blob_key, "it was needed again while a sweep ran")
                for rendition in known.renditions()
                if rendition.blob_key in gone and self._store.bucket.stat(rendition.blob_key, "head_blob") is None
            ]
        return findings

    def _read(self, listed: Sequence[StoredObject]) -> list[StoredBanner]:
        banners: list[StoredBanner] = []
        with ThreadPoolExecutor(_THREADS) as threads:
            for start in range(0, len(listed), _PART):
                self._on_progress("reading manifests", start, len(listed))
                banners += threads.map(self._banner, listed[start : start + _PART])
        self._on_progress("reading manifests", len(listed), len(listed))
        return banners

    def _banner(self, found: StoredObject) -> StoredBanner:
        self._pace.wait()
        banner_key = found.key.removeprefix(MANIFEST_PREFIX).removesuffix(".json")
        try:
            return StoredBanner(banner_key, found, self._store.manifest(banner_key))
        except BrokenAnswer:
            return StoredBanner(banner_key, found, None)

    def _paced(self, step: str, items: Sequence[_T]) -> Iterator[_T]:
        for done, item in enumerate(items):
            self._on_progress(step, done, len(items))
            self._pace.wait()
            yield item
