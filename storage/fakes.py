"""The bucket in memory: what tests of other rooms use in place of `S3BannerStore`."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar

from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.keys import description_object_key, manifest_object_key
from bannerstream.contracts.manifest import Block, Description, Manifest
from bannerstream.storage.bucket import StoredObject, Upload, checksum_of
from bannerstream.storage.errors import BrokenImage, ObjectMissing, SpoiltObject, StorageError, StoreUnavailable
from bannerstream.storage.pictures import Pixels, decode_picture
from bannerstream.storage.store import CATALOGUE_PREFIX, blob_key

_T = TypeVar("_T")


class MemoryBucket:
    """The objects of a `MemoryBannerStore` by their keys. `modified_at` and `pending` may be changed by a test."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.modified_at: dict[str, datetime] = {}
        self.pending: list[Upload] = []
        self._contents = contents

    def objects(self, prefix: str = "", after: str | None = None) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with `prefix` and follow `after`, in order."""
        for key in sorted(self._contents):
            if key.startswith(prefix) and key > (after or ""):
                yield self._stored(key)

    def stat(self, key: str, operation: str) -> StoredObject | None:  # noqa: ARG002
        """Return an object without its content, or None."""
        return self._stored(key) if key in self._contents else None

    def remove(self, key: str) -> None:
        """Remove an object."""
        self._contents.pop(key, None)
        self.modified_at.pop(key, None)

    def uploads(self) -> list[Upload]:
        """Return the uploads that a test began."""
        return list(self.pending)

    def abort(self, upload: Upload) -> None:
        """Remove an upload."""
        self.pending.remove(upload)

    def _stored(self, key: str) -> StoredObject:
        return StoredObject(key, len(self._contents[key]), self.modified_at.get(key, datetime.now(UTC)))


class MemoryBannerStore:
    """Everything that `S3BannerStore` does, in memory; `tests/integration/test_storage.py` holds both to one contract.

    `objects` maps object keys to bytes and may be changed by a test. `puts` names every object written, in order, so
    that a test can see that blobs came before their manifest. `fail_next` makes calls fail.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.bucket = MemoryBucket(self.objects)
        self.puts: list[str] = []
        self._lock = threading.Lock()
        self._failures: list[StorageError] = []

    def fail_next(self, calls: int, error: StorageError | None = None) -> None:
        """Make the next `calls` calls raise `error`, by default `StoreUnavailable`, and change nothing."""
        self._failures = [error or StoreUnavailable("the fake store is set to fail")] * calls

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def ensure_bucket(self) -> bool:
        """Return False: the bucket is there."""
        self._fail_if_set()
        return False

    def check(self) -> None:
        """Return, unless set to fail."""
        self._fail_if_set()

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return a banner's manifest, or None if it was never made or cannot be read."""
        return self._message(manifest_object_key(banner_key), Manifest)

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest and return its object key."""
        return self._put(manifest_object_key(manifest.banner_key), encode(manifest))

    def manifest_keys(self) -> Iterator[str]:
        """Yield the banner key of every manifest, in order."""
        self._fail_if_set()
        for key in sorted(self.objects):
            if key.startswith("manifests/"):
                yield key.removeprefix("manifests/").removesuffix(".json")

    def put_blob(self, content: bytes, media_type: str, *, again: bool = False) -> str:
        """Store an immutable blob under its hash, unless it is there, and return its object key."""
        key = blob_key(content, media_type)
        if key in self.objects and not again:
            self._fail_if_set()
            return key
        return self._put(key, content)

    def get_blob(self, key: str) -> bytes:
        """Return the content of an object, or raise `ObjectMissing` or `SpoiltObject`."""
        content = self._get(key)
        expected = checksum_of(key)
        if expected is not None and hashlib.sha256(content).hexdigest() != expected:
            raise SpoiltObject(f"memory: {key} has {len(content)} bytes of another hash")
        return content

    def has_blobs(self, manifest: Manifest) -> bool:
        """Return whether every blob of a banner is there and has its hash."""
        try:
            for rendition in manifest.renditions:
                self.get_blob(rendition.blob_key)
        except (ObjectMissing, SpoiltObject):
            return False
        return True

    def description(self, description_key: str) -> Description | None:
        """Return a kept description, or None."""
        return self._message(description_object_key(description_key), Description)

    def put_description(self, description_key: str, description: Description) -> None:
        """Keep a description."""
        self._put(description_object_key(description_key), encode(description))

    def blocks_to_move(self) -> list[Block]:
        """Return the blocks of earlier versions, until they are moved."""
        self._fail_if_set()
        if "blocks-moved.json" in self.objects:
            return []
        return [decode(value, Block) for key, value in sorted(self.objects.items()) if key.startswith("blocked/")]

    def mark_blocks_moved(self) -> None:
        """Record that the topic has every block."""
        self._put("blocks-moved.json", b"{}")

    def has_image(self, key: str) -> bool:
        """Tell whether a catalogue picture is there."""
        self._fail_if_set()
        return key in self.objects

    def put_image(self, key: str, png: bytes) -> None:
        """Store a catalogue picture."""
        if not key.startswith(CATALOGUE_PREFIX):
            raise ValueError(f"catalogue pictures lie under {CATALOGUE_PREFIX!r}, not at {key!r}")
        self._put(key, png)

    def product_image(self, image_key: str) -> tuple[Pixels, bool] | None:
        """Return (RGBA pixels, whether it is cut out) of a catalogue picture, or None; or raise `SpoiltObject`."""
        try:
            return decode_picture(self._get(image_key))
        except ObjectMissing:
            return None
        except BrokenImage as error:
            raise SpoiltObject(f"memory: {image_key}: {error}") from error

    def _message(self, key: str, kind: type[_T]) -> _T | None:
        try:
            return decode(self._get(key), kind)
        except (ObjectMissing, MalformedRecord):
            return None

    def _get(self, key: str) -> bytes:
        self._fail_if_set()
        if key not in self.objects:
            raise ObjectMissing(f"memory: {key} is not there")
        return self.objects[key]

    def _put(self, key: str, content: bytes) -> str:
        self._fail_if_set()
        with self._lock:
            self.objects[key] = content
            self.bucket.modified_at[key] = datetime.now(UTC)
            self.puts.append(key)
        return key

    def _fail_if_set(self) -> None:
        with self._lock:
            if self._failures:
                raise self._failures.pop()
