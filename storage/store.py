"""The bucket: `S3BannerStore` keeps banners, descriptions and catalogue pictures on any S3 API."""

import hashlib
import time
from collections.abc import Iterator
from typing import TypeVar

import structlog

from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.keys import blob_object_key, description_object_key, manifest_object_key
from bannerstream.contracts.manifest import Block, Description, Manifest
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage.bucket import Bucket
from bannerstream.storage.errors import ObjectMissing, SpoiltObject, StoreUnavailable
from bannerstream.storage.metrics import StorageMetrics
from bannerstream.storage.pictures import Pixels, decode_picture

IMMUTABLE = "public, max-age=31536000, immutable"
"""A year, the longest that RFC 9111 caches honour; the name is the content's hash, so it never changes (RFC 8246)."""
REVALIDATE = "no-cache"

EXTENSIONS = {"image/webp": "webp", "image/jpeg": "jpg", "image/png": "png", "image/avif": "avif"}
"""The pictures that browsers show, by media type."""
CATALOGUE_PREFIX = "catalogue/"
MANIFEST_PREFIX = "manifests/"
BLOB_PREFIX = "blobs/"
_BLOCK_PREFIX = "blocked/"
_BLOCKS_MOVED = "blocks-moved.json"

FRESH_S = 86_400
"""A blob that is there and older than a day is written again when a banner needs it. `bannerstream storage sweep`
removes no blob younger than two days: so it removes none that a banner has just reused."""

_T = TypeVar("_T")
_log = structlog.get_logger()


class S3BannerStore:
    """Keeps banners in one bucket. Every method blocks and may be called from any thread.

    Implements `generator.pipeline.ports.BannerStore`. Every method raises what `Bucket` raises.

    Raises:
        ConfigurationError: endpoint or bucket name cannot be one.
    """

    def __init__(self, settings: StorageSettings, *, metrics: StorageMetrics | None = None) -> None:
        self.bucket = Bucket(settings, metrics)

    def close(self) -> None:
        """Close the connections and end waits between tries. The store cannot be used afterwards."""
        self.bucket.close()

    # The bucket itself

    def ensure_bucket(self) -> bool:
        """Create the bucket if it is missing; return whether it was. No object in it is public.

        Needs `s3:CreateBucket`; services themselves need only `storage.policy.least_privilege_policy`.
        """
        return self.bucket.create()

    def check(self) -> None:
        """Return if the bucket can be reached and listed; otherwise raise the error with the cause."""
        self.bucket.check()

    # Banners

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return a banner's manifest, or None if it was never made.

        One that the store holds spoilt counts as never made: the banner is made again and overwrites it.
        """
        manifest = self._get_message(manifest_object_key(banner_key), Manifest, "get_manifest")
        if manifest is not None and manifest.banner_key != banner_key:
            _log.warning("manifest_of_another_banner", banner_key=banner_key, found=manifest.banner_key)
            return None
        return manifest

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest and return its object key. Its blobs must be there."""
        key = manifest_object_key(manifest.banner_key)
        self.bucket.put(key, encode(manifest), "application/json", REVALIDATE, "put_manifest")
        return key

    def manifest_keys(self) -> Iterator[str]:
        """Yield the banner key of every manifest, in order."""
        for found in self.bucket.objects(MANIFEST_PREFIX):
            yield found.key.removeprefix(MANIFEST_PREFIX).removesuffix(".json")

    def put_blob(self, content: bytes, media_type: str, *, again: bool = False) -> str:
        """Store an immutable blob under its hash, unless it is there, and return its object key.

        One that is there and old is written again, and so is any with `again`: see `FRESH_S`.
        """
        key = blob_key(content, media_type)
        found = None if again else self.bucket.stat(key, "head_blob")
        if found is None or found.bytes != len(content) or abs(time.time() - found.modified_at.timestamp()) > FRESH_S:
            self.bucket.put(key, content, media_type, IMMUTABLE, "put_blob")
        return key

    def get_blob(self, key: str) -> bytes:
        """Return the content of an object; a blob's hash is its name.

        Raises:
            ObjectMissing: there is none under this key.
            SpoiltObject: its content is not what was stored.
        """
        return self.bucket.get(key, "get_blob", bytes)

    def has_blobs(self, manifest: Manifest) -> bool:
        """Return whether every blob of a banner is there and has its hash. Reads them all."""
        try:
            for rendition in manifest.renditions:
                self.get_blob(rendition.blob_key)
        except StoreUnavailable:
            raise
        except (ObjectMissing, SpoiltObject) as error:
            _log.warning("banner_broken", banner_key=manifest.banner_key, error=str(error))
            return False
        return True

    # Descriptions

    def description(self, description_key: str) -> Description | None:
        """Return a kept description, or None; one that cannot be read counts as not kept."""
        return self._get_message(description_object_key(description_key), Description, "get_description")

    def put_description(self, description_key: str, description: Description) -> None:
        """Keep a description."""
        key = description_object_key(description_key)
        self.bucket.put(key, encode(description), "application/json", REVALIDATE, "put_description")

    # Blocked products of earlier versions

    def blocks_to_move(self) -> list[Block]:
        """Return the blocks that versions before the topic `banner.refusals` kept, until `mark_blocks_moved`."""
        if self.bucket.stat(_BLOCKS_MOVED, "head_block") is not None:
            return []
        blocks = (self._get_message(found.key, Block, "get_block") for found in self.bucket.objects(_BLOCK_PREFIX))
        return [block for block in blocks if block is not None]

    def mark_blocks_moved(self) -> None:
        """Record that the topic has every block; nothing is deleted."""
        self.bucket.put(_BLOCKS_MOVED, b"{}", "application/json", REVALIDATE, "put_block")

    # Catalogue pictures

    def has_image(self, key: str) -> bool:
        """Return whether a catalogue picture exists."""
        return self.bucket.stat(key, "head_image") is not None

    def put_image(self, key: str, png: bytes) -> None:
        """Store a catalogue picture; its key names its content (`storage.image_ingest.image_key`).

        Raises:
            ValueError: the key lies outside the catalogue's prefix.
        """
        if not key.startswith(CATALOGUE_PREFIX):
            raise ValueError(f"catalogue pictures lie under {CATALOGUE_PREFIX!r}, not at {key!r}")
        self.bucket.put(key, png, "image/png", IMMUTABLE, "put_image")

    def product_image(self, image_key: str) -> tuple[Pixels, bool] | None:
        """Return (RGBA pixels, whether it is cut out) of a catalogue picture, or None if there is none.

        Raises:
            SpoiltObject: its content is not what was stored, or not a whole PNG.
        """
        try:
            return self.bucket.get(image_key, "get_image", decode_picture)
        except ObjectMissing:
            return None

    # Requests

    def _get_message(self, key: str, kind: type[_T], operation: str) -> _T | None:
        try:
            return self.bucket.get(key, operation, lambda content: decode(content, kind))
        except ObjectMissing:
            return None
        except StoreUnavailable:  # also for an answer that was cut short, or is not S3's: the object may be whole
            raise
        except SpoiltObject as error:
            _log.warning("stored_object_broken", key=key, error=str(error))
            return None


def blob_key(content: bytes, media_type: str) -> str:
    """Return the object key of a blob: its hash and its kind.

    Raises:
        ValueError: not a media type of `EXTENSIONS`.
    """
    if media_type not in EXTENSIONS:
        raise ValueError(f"blobs are pictures of type {', '.join(EXTENSIONS)}, not {media_type!r}")
    return blob_object_key(hashlib.sha256(content).hexdigest(), EXTENSIONS[media_type])
