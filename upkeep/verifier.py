"""Walks the bucket and compares what is there with what manifests, ready events and records name."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.keys import manifest_object_key
from bannerstream.contracts.manifest import Manifest, shows_product
from bannerstream.contracts.messages import BannerReady
from bannerstream.storage.bucket import StoredObject
from bannerstream.storage.errors import BrokenAnswer, ObjectMissing, SpoiltObject
from bannerstream.storage.store import CATALOGUE_PREFIX, MANIFEST_PREFIX
from bannerstream.upkeep.findings import Checked, Finding, Journal
from bannerstream.upkeep.known_banner import KnownBanner
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.ports import Store

_THREADS = 8
"""Requests to the store at once: the pace, not the wait for answers, decides how fast the check is."""
_PART = 64
"""Objects between two lines of the journal: a few seconds of work are repeated after an interruption."""

OnProgress = Callable[[int, int], None]
"""Called with (done, of how many objects)."""


def _no_progress(_done: int, _total: int) -> None:
    pass


class Verifier:
    """Checks every manifest with its blobs, every catalogue picture and every ready event.

    `ready` holds the ready events by banner key and `products` the catalogue by product id, both read before the walk:
    a ready event that was there then has had its manifest ever since.
    """

    def __init__(
        self,
        store: Store,
        ready: Mapping[str, BannerReady],
        products: Mapping[str, Product],
        pace: Pace,
    ) -> None:
        self._store = store
        self._ready = ready
        self._products = products
        self._pace = pace

    def verify(self, journal: Journal, on_progress: OnProgress = _no_progress) -> Checked:
        """Return what is checked and found, with what an interrupted check had written to the journal.

        Raises:
            StorageError: the store does not answer; the journal keeps what is done.
            ConfigurationError: the journal cannot be used.
        """
        checked = journal.read()
        pictures = list(self._store.bucket.objects(CATALOGUE_PREFIX))
        manifests = list(self._store.bucket.objects(MANIFEST_PREFIX))
        left = [found for found in pictures + manifests if found.key > checked.after]
        total = len(pictures) + len(manifests)
        with ThreadPoolExecutor(_THREADS) as threads:
            for start in range(0, len(left), _PART):
                on_progress(total - len(left) + start, total)
                part = Checked()
                for found in threads.map(self._checked, left[start : start + _PART]):
                    part.add(found)
                journal.write(part)
                checked.add(part)
        on_progress(total, total)
        last = Checked(finished=True)
        last.findings += self._ready_without({found.key for found in manifests})
        last.findings += self._records_without({found.key for found in pictures})
        journal.write(last)
        checked.add(last)
        return checked

    def _checked(self, found: StoredObject) -> Checked:
        self._pace.wait()
        return self._picture(found) if found.key.startswith(CATALOGUE_PREFIX) else self._banner(found)

    def _picture(self, found: StoredObject) -> Checked:
        checked = Checked(after=found.key, pictures=1, bytes=found.bytes)
        try:
            if self._store.product_image(found.key) is None:
                checked.findings.append(_picture_missing(found.key))
        except SpoiltObject as error:
            checked.findings.append(Finding(kind="picture_spoilt", key=found.key, reason=_reason(error)))
        return checked

    def _banner(self, found: StoredObject) -> Checked:
        checked = Checked(after=found.key, manifests=1)
        banner_key = found.key.removeprefix(MANIFEST_PREFIX).removesuffix(".json")
        reason = "it cannot be read"
        try:
            manifest = self._store.manifest(banner_key)
        except BrokenAnswer as error:
            manifest, reason = None, _reason(error)
        banner = KnownBanner(banner_key, manifest, self._ready.get(banner_key))
        if manifest is None:
            checked.findings.append(banner.finding("manifest_unreadable", found.key, reason))
        elif not self._shows_product(manifest):
            checked.findings.append(
                banner.finding("product_not_shown", found.key, "the product's record names a picture")
            )
        for rendition in banner.renditions():
            self._pace.wait()
            checked.blobs += 1
            try:
                checked.bytes += len(self._store.get_blob(rendition.blob_key))
            except ObjectMissing:
                checked.findings.append(banner.finding("blob_missing", rendition.blob_key, "it is not in the bucket"))
            except SpoiltObject as error:
                checked.findings.append(banner.finding("blob_spoilt", rendition.blob_key, _reason(error)))
        return checked

    def _shows_product(self, manifest: Manifest) -> bool:
        product = self._products.get(manifest.product_id)
        if product is None or product.rev != manifest.product_rev or manifest.provisional:
            return True
        return shows_product(manifest, product)

    def _ready_without(self, manifests: set[str]) -> Iterator[Finding]:
        for banner_key, ready in self._ready.items():
            key = manifest_object_key(banner_key)
            if key not in manifests:
                yield KnownBanner(banner_key, None, ready).finding(
                    "ready_without_manifest", key, "a ready event points to it, and it is not in the bucket"
                )

    def _records_without(self, pictures: set[str]) -> Iterator[Finding]:
        named = {product.image_key for product in self._products.values()} - {None}
        for key in sorted(str(key) for key in named):
            if key not in pictures:
                yield _picture_missing(key)


def _reason(error: SpoiltObject) -> str:
    """Return what came, without the server's address and the advice to run this very check."""
    return str(error.__cause__ or error)


def _picture_missing(key: str) -> Finding:
    return Finding(kind="picture_missing", key=key, reason="a product's record names it, and it is not in the bucket")
