"""What a sweep of the bucket may remove, and why: pure, over what was listed and read."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from bannerstream.contracts.catalog import content_rev
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import BannerReady
from bannerstream.storage.bucket import StoredObject, Upload, checksum_of
from bannerstream.upkeep.errors import SweepRefused
from bannerstream.upkeep.pointers import Catalogue, Pointers

FEW = 10
"""Below this number no share is suspicious: a bucket for trying out."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How old what nothing needs must be before it goes."""

    blobs: timedelta = timedelta(days=7)
    """Since it was last written. At least two days: generators write a blob again that is older than one."""
    manifests: timedelta = timedelta(days=7)
    """Since it was written. Longer than requests are kept: a request that waits may announce it."""
    uploads: timedelta = timedelta(days=1)
    outdated: timedelta = timedelta(days=30)
    """Since the manifest of an outdated banner was written."""


@dataclass(frozen=True, slots=True)
class StoredBanner:
    """A manifest that was listed and read."""

    banner_key: str
    stored: StoredObject
    manifest: Manifest | None
    """None: it cannot be read."""


@dataclass(slots=True)
class SweepPlan:
    """What nothing needs."""

    uploads: list[Upload] = field(default_factory=list)
    outdated: list[StoredBanner] = field(default_factory=list)
    """Banners that are announced, and that neither a visitor nor the catalogue leads to any more."""
    manifests: list[StoredBanner] = field(default_factory=list)
    blobs: list[StoredObject] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Manifests that stay and cannot be read. What they name is not known, so no blob is removed beside them."""
    listed_manifests: int = 0
    listed_blobs: int = 0

    def refuse_if_suspicious(self, at_most: float) -> None:
        """Return if the plan removes no more than this share of the manifests and of the blobs.

        Raises:
            SweepRefused: it removes more.
        """
        for what, removed, of_all in (
            ("manifests", len(self.manifests) + len(self.outdated), self.listed_manifests),
            ("blobs", len(self.blobs), self.listed_blobs),
        ):
            if removed > FEW and removed > at_most * of_all:
                raise SweepRefused(
                    f"the sweep would remove {removed} of {of_all} {what}, more than the share {at_most:g}; nothing "
                    "was removed. If banner.ready was lost, run `bannerstream banners announce`; look at "
                    "banner.assignments and the catalogue, too. If all is there, `--at-most 1` removes them"
                )


def unpointed(banners: Iterable[StoredBanner], pointers: Pointers, older_than: datetime) -> list[StoredBanner]:
    """Return the banners that are old enough and that neither a ready event nor an assignment names."""
    return [
        banner
        for banner in banners
        if banner.stored.modified_at < older_than
        and banner.banner_key not in pointers.ready
        and banner.banner_key not in pointers.assigned
    ]


def outdated(
    banners: Iterable[StoredBanner],
    pointers: Pointers,
    catalogue: Catalogue,
    creative_revision: str,
    older_than: datetime,
) -> list[StoredBanner]:
    """Return the announced banners that are old enough, unassigned, and of what the catalogue holds no longer.

    The banner of each cohort that was announced last stays: edge shows it to the cohort's visitors who have none.
    """
    if not catalogue.products or not catalogue.cohorts:
        return []  # a catalogue that was lost makes nothing outdated
    defaults = _latest_of_cohorts(pointers.ready.values())
    return [
        banner
        for banner in banners
        if banner.stored.modified_at < older_than
        and banner.banner_key in pointers.ready
        and banner.banner_key not in pointers.assigned
        and banner.banner_key not in defaults
        and banner.manifest is not None
        and not _current(banner.manifest, catalogue, creative_revision)
    ]


def unneeded_blobs(
    blobs: Iterable[StoredObject], needed: Set[bytes], older_than: datetime
) -> tuple[list[StoredObject], int]:
    """Return the blobs that are old enough and not needed, and how many there are in all.

    An object under the blobs' prefix that is not named as ours stays.
    """
    found: list[StoredObject] = []
    count = 0
    for blob in blobs:
        count += 1
        checksum = checksum_of(blob.key)
        if checksum is not None and blob.modified_at < older_than and bytes.fromhex(checksum) not in needed:
            found.append(blob)
    return found, count


def needed_blobs(banners: Iterable[StoredBanner], ready: Mapping[str, BannerReady]) -> set[bytes]:
    """Return the hashes of the blobs that manifests and ready events name."""
    manifests = (banner.manifest for banner in banners if banner.manifest is not None)
    of_manifests = (rendition for manifest in manifests for rendition in manifest.renditions)
    of_events = (rendition for event in ready.values() for rendition in event.renditions)
    checksums = (checksum_of(rendition.blob_key) for rendition in chain(of_manifests, of_events))
    return {bytes.fromhex(checksum) for checksum in checksums if checksum is not None}


def _current(manifest: Manifest, catalogue: Catalogue, creative_revision: str) -> bool:
    """Return whether streams may still request this banner."""
    product = catalogue.products.get(manifest.product_id)
    cohort = catalogue.cohorts.get(manifest.cohort_id)
    return (
        product is not None
        and cohort is not None
        and manifest.cohort_id in product.cohorts
        and manifest.product_rev == (product.rev or content_rev(product))
        and manifest.cohort_rev == (cohort.rev or content_rev(cohort))
        and manifest.creative_revision == creative_revision
    )


def _latest_of_cohorts(ready: Iterable[BannerReady]) -> set[str]:
    latest: dict[str, BannerReady] = {}
    for event in ready:
        known = latest.get(event.cohort_id)
        if known is None or event.ready_at > known.ready_at:
            latest[event.cohort_id] = event
    return {event.banner_key for event in latest.values()}
