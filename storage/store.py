"""The bucket: `S3BannerStore` keeps banners, descriptions and catalogue pictures on any S3 API."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import TypeVar

import certifi
import structlog
import urllib3
from minio import Minio
from minio.error import MinioException
from minio.helpers import check_bucket_name
from prometheus_client import CollectorRegistry

from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.errors import ConfigurationError, MalformedRecord
from bannerstream.contracts.keys import blob_object_key, description_object_key, manifest_object_key
from bannerstream.contracts.manifest import Block, Description, Manifest
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage.errors import AccessRefused, BrokenImage, BucketMissing, ObjectMissing
from bannerstream.storage.metrics import StorageMetrics
from bannerstream.storage.pictures import Pixels, decode_picture
from bannerstream.storage.retrying_client import RetryingClient, code_of

IMMUTABLE = "public, max-age=31536000, immutable"
"""A year, the longest that RFC 9111 caches honour; the name is the content's hash, so it never changes (RFC 8246)."""
REVALIDATE = "no-cache"

EXTENSIONS = {"image/webp": "webp", "image/jpeg": "jpg", "image/png": "png", "image/avif": "avif"}
"""The pictures that browsers show, by media type."""
CATALOGUE_PREFIX = "catalogue/"
_MANIFEST_PREFIX = "manifests/"
_BLOCK_PREFIX = "blocked/"
_BLOCKS_MOVED = "blocks-moved.json"

_CONNECTIONS = 32
"""Kept open per process: more threads than this do not wait; they open a connection and close it afterwards."""
PAGE = 1000
"""Keys per listing: the most that S3 returns at once."""

_T = TypeVar("_T")
_log = structlog.get_logger()


class S3BannerStore:
    """Keeps banners in one bucket. Every method blocks and may be called from any thread.

    Implements `generator.ports.BannerStore`. Uses only PUT, GET, HEAD and ListObjectsV2, so that it works on any
    store that speaks S3; correctness never rests on conditional requests.

    Every method raises `storage.errors.StorageError`: `StoreUnavailable` after `settings.attempts` tries, the others
    at once.

    Raises:
        ConfigurationError: endpoint or bucket name cannot be one.
    """

    def __init__(self, settings: StorageSettings, *, metrics: StorageMetrics | None = None) -> None:
        self._bucket = settings.bucket
        self._region = settings.region
        self._retrying = RetryingClient(settings, metrics or StorageMetrics(CollectorRegistry()))
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=settings.timeout_s, read=settings.timeout_s),
            maxsize=_CONNECTIONS,
            retries=False,  # minio's own retries would add to ours
            cert_reqs="CERT_REQUIRED",
            ca_certs=certifi.where(),
        )
        try:
            check_bucket_name(settings.bucket, strict=True)
            self._minio = Minio(
                settings.endpoint,
                access_key=settings.access_key,
                secret_key=settings.secret_key.get_secret_value(),
                secure=settings.secure,
                region=settings.region,
                http_client=self._pool,
            )
        except ValueError as error:
            raise ConfigurationError(
                f"storage.endpoint {settings.endpoint!r} or storage.bucket {settings.bucket!r}: {error}; "
                'valid are, for example, "s3.eu-central-1.amazonaws.com" and "banners"'
            ) from error

    def close(self) -> None:
        """Close the connections and end waits between tries. The store cannot be used afterwards."""
        self._retrying.close()
        self._pool.clear()

    # The bucket itself

    def ensure_bucket(self) -> bool:
        """Create the bucket if it is missing; return whether it was. No object in it is public.

        Needs `s3:CreateBucket`; services themselves need only `storage.policy.least_privilege_policy`.
        """
        try:
            self.check()
        except BucketMissing:
            return self._retrying.call("create_bucket", self._create_bucket)
        return False

    def check(self) -> None:
        """Return if the bucket can be reached and listed; otherwise raise the error with the cause.

        Uses GET: only its response has a body that names the cause (key, secret, region or clock).
        """
        self._list_page("", None, limit=1)

    # Banners

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return a banner's manifest, or None if it was never made.

        One that cannot be read counts as never made: the banner is made again and overwrites it.
        """
        return self._get_message(manifest_object_key(banner_key), Manifest, "get_manifest")

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest and return its object key. Its blobs must be there."""
        key = manifest_object_key(manifest.banner_key)
        self._put(key, encode(manifest), "application/json", REVALIDATE, "put_manifest")
        return key

    def manifest_keys(self) -> Iterator[str]:
        """Yield the banner key of every manifest, in order."""
        last: str | None = None
        while page := self._list_page(_MANIFEST_PREFIX, last):
            for key in page:
                yield key.removeprefix(_MANIFEST_PREFIX).removesuffix(".json")
            last = page[-1]

    def put_blob(self, content: bytes, media_type: str) -> str:
        """Store an immutable blob under its hash, unless it is there, and return its object key."""
        key = blob_key(content, media_type)
        if not self._exists(key, "head_blob"):
            self._put(key, content, media_type, IMMUTABLE, "put_blob")
        return key

    def get_blob(self, key: str) -> bytes:
        """Return the content of an object.

        Raises:
            ObjectMissing: there is none under this key.
        """
        return self._get(key, "get_blob")

    # Descriptions

    def description(self, description_key: str) -> Description | None:
        """Return a kept description, or None; one that cannot be read counts as not kept."""
        return self._get_message(description_object_key(description_key), Description, "get_description")

    def put_description(self, description_key: str, description: Description) -> None:
        """Keep a description."""
        key = description_object_key(description_key)
        self._put(key, encode(description), "application/json", REVALIDATE, "put_description")

    # Blocked products of earlier versions

    def blocks_to_move(self) -> list[Block]:
        """Return the blocks that versions before the topic `banner.refusals` kept, until `mark_blocks_moved`."""
        if self._exists(_BLOCKS_MOVED, "head_block"):
            return []
        blocks: list[Block] = []
        last: str | None = None
        while page := self._list_page(_BLOCK_PREFIX, last):
            for key in page:
                block = self._get_message(key, Block, "get_block")
                if block is not None:
                    blocks.append(block)
            last = page[-1]
        return blocks

    def mark_blocks_moved(self) -> None:
        """Record that the topic has every block; nothing is deleted."""
        self._put(_BLOCKS_MOVED, b"{}", "application/json", REVALIDATE, "put_block")

    # Catalogue pictures

    def has_image(self, key: str) -> bool:
        """Return whether a catalogue picture exists."""
        return self._exists(key, "head_image")

    def put_image(self, key: str, png: bytes) -> None:
        """Store a catalogue picture; its key names its content (`storage.image_ingest.image_key`).

        Raises:
            ValueError: the key lies outside the catalogue's prefix.
        """
        if not key.startswith(CATALOGUE_PREFIX):
            raise ValueError(f"catalogue pictures lie under {CATALOGUE_PREFIX!r}, not at {key!r}")
        self._put(key, png, "image/png", IMMUTABLE, "put_image")

    def product_image(self, image_key: str) -> tuple[Pixels, bool] | None:
        """Return (RGBA pixels, whether it is cut out) of a catalogue picture, or None if there is none to be used."""
        try:
            return decode_picture(self._get(image_key, "get_image"))
        except ObjectMissing:
            return None
        except BrokenImage as error:
            _log.warning("catalogue_picture_broken", key=image_key, error=str(error))
            return None

    # Requests

    def _get_message(self, key: str, kind: type[_T], operation: str) -> _T | None:
        try:
            return decode(self._get(key, operation), kind)
        except ObjectMissing:
            return None
        except MalformedRecord as error:
            _log.warning("stored_object_broken", key=key, error=str(error))
            return None

    def _get(self, key: str, operation: str) -> bytes:
        def send() -> bytes:
            response = self._minio.get_object(self._bucket, key)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

        return self._retrying.call(operation, send)

    def _put(self, key: str, content: bytes, media_type: str, cache_control: str, operation: str) -> None:
        self._retrying.call(
            operation,
            lambda: self._minio.put_object(
                self._bucket,
                key,
                BytesIO(content),
                len(content),
                content_type=media_type,
                metadata={"Cache-Control": cache_control},
            ),
        )

    def _exists(self, key: str, operation: str) -> bool:
        try:
            self._retrying.call(operation, lambda: self._minio.stat_object(self._bucket, key))
        except ObjectMissing:
            return False
        except AccessRefused:
            self.check()  # the response to HEAD has no body; this request names the cause
            raise
        return True

    def _list_page(self, prefix: str, after: str | None, *, limit: int = PAGE) -> list[str]:
        def send() -> list[str]:
            listing = self._minio.list_objects(self._bucket, prefix=prefix, recursive=True, start_after=after)
            return [each.object_name or "" for each in islice(listing, limit)]

        return self._retrying.call("list", send)

    def _create_bucket(self) -> bool:
        try:
            self._minio.make_bucket(self._bucket, location=self._region)
        except MinioException as error:
            if code_of(error) in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:  # another process was faster
                return False
            raise
        return True


def blob_key(content: bytes, media_type: str) -> str:
    """Return the object key of a blob: its hash and its kind.

    Raises:
        ValueError: not a media type of `EXTENSIONS`.
    """
    if media_type not in EXTENSIONS:
        raise ValueError(f"blobs are pictures of type {', '.join(EXTENSIONS)}, not {media_type!r}")
    return blob_object_key(hashlib.sha256(content).hexdigest(), EXTENSIONS[media_type])
