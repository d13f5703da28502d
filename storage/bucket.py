"""One bucket of an S3 server: reads that check what they read, writes, listings, removals.

Every object that this client writes carries the SHA-256 of its content as metadata (`x-amz-meta-sha256`); a blob has it
in its name, too. A read compares, so that bytes that a store spoilt, cut short or made up never pass for the object.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import TypeVar

import certifi
import urllib3
from minio import Minio
from minio.error import MinioException
from minio.helpers import check_bucket_name
from prometheus_client import CollectorRegistry
from urllib3.exceptions import IncompleteRead, ProtocolError

from bannerstream.contracts.errors import ConfigurationError, MalformedRecord
from bannerstream.service.compat import overrides_private
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage.dated_pool import DatedPool
from bannerstream.storage.errors import AccessRefused, BrokenImage, BucketMissing, ObjectMissing
from bannerstream.storage.metrics import StorageMetrics
from bannerstream.storage.retrying_client import RetryingClient, SpoiltAnswer, code_of

PAGE = 1000
"""Keys per listing: the most that S3 returns at once."""

_CONNECTIONS = 32
"""Kept open per process: more threads than this do not wait; they open a connection and close it afterwards."""
_CHECKSUM = "sha256"
_CHECKSUM_HEADER = f"x-amz-meta-{_CHECKSUM}"
_BLOB = re.compile(r"blobs/[0-9a-f]{2}/([0-9a-f]{64})\.\w+")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing."""

    key: str
    bytes: int
    modified_at: datetime
    """By the store's clock."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


class Bucket:
    """One bucket. Every method blocks and may be called from any thread.

    Uses only what every S3 API has; correctness never rests on conditional requests.

    Every method raises `storage.errors.StorageError`: `StoreUnavailable` and `SpoiltObject` after `settings.attempts`
    tries, the others at once.

    Raises:
        ConfigurationError: endpoint or bucket name cannot be one.
    """

    def __init__(self, settings: StorageSettings, metrics: StorageMetrics | None = None) -> None:
        self.name = settings.bucket
        self._region = settings.region
        metrics = metrics or StorageMetrics(CollectorRegistry())
        self._retrying = RetryingClient(settings, metrics)
        self._pool = DatedPool(
            metrics.clock_offset,
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
        """Close the connections and end waits between tries. The bucket cannot be used afterwards."""
        self._retrying.close()
        self._pool.clear()

    def create(self) -> bool:
        """Create the bucket if it is missing; return whether it was. No object in it is public."""
        try:
            self.check()
        except BucketMissing:
            return self._retrying.call("create_bucket", self._create)
        return False

    def check(self) -> None:
        """Return if the bucket can be reached and listed; otherwise raise the error with the cause.

        Uses GET: only its response has a body that names the cause (key, secret, region or clock).
        """
        self._page("", None, limit=1)

    def get(self, key: str, operation: str, read: Callable[[bytes], _T]) -> _T:
        """Return what `read` makes of an object's content, once that is the content which was written.

        `read` raises `MalformedRecord` or `BrokenImage` for content that it cannot use: that is a failed try, too.

        Raises:
            ObjectMissing: there is none under this key.
            SpoiltObject: at the last try the content was not the object's; also a `StoreUnavailable`, if it was cut
                short or not from an S3 server at all.
        """

        def send() -> _T:
            response = self._minio.get_object(self.name, key)
            try:
                content = response.read()
            except (IncompleteRead, ProtocolError) as error:
                raise SpoiltAnswer(f"{key} ends early: {error}", from_store=False) from error
            finally:
                response.close()
                response.release_conn()
            expected = checksum_of(key) or response.headers.get(_CHECKSUM_HEADER)
            if expected is not None and hashlib.sha256(content).hexdigest() != expected:
                raise SpoiltAnswer(f"{key} should have the SHA-256 {expected}; {_glimpse(content)}")
            try:
                return read(content)
            except (MalformedRecord, BrokenImage) as error:
                from_store = response.headers.get("etag") is not None
                raise SpoiltAnswer(f"{key}: {error}; {_glimpse(content)}", from_store=from_store) from error

        return self._retrying.call(operation, send)

    def put(self, key: str, content: bytes, media_type: str, cache_control: str, operation: str) -> None:
        """Write an object with the checksum of its content."""
        metadata: dict[str, str | list[str] | tuple[str]] = {
            "Cache-Control": cache_control,
            _CHECKSUM: hashlib.sha256(content).hexdigest(),
        }

        def send() -> None:
            written = self._minio.put_object(
                self.name, key, BytesIO(content), len(content), content_type=media_type, metadata=metadata
            )
            if not written.etag:  # a proxy's page has none
                raise SpoiltAnswer(f"{key} was not stored: the answer has no ETag", from_store=False)

        self._retrying.call(operation, send)

    def stat(self, key: str, operation: str) -> StoredObject | None:
        """Return an object without its content, or None if there is none."""

        def send() -> StoredObject:
            found = self._minio.stat_object(self.name, key)
            if not found.etag or found.size is None or found.last_modified is None:
                raise SpoiltAnswer(f"{key}: the answer to HEAD has no ETag", from_store=False)
            return StoredObject(key, found.size, found.last_modified.astimezone(UTC))

        try:
            return self._retrying.call(operation, send)
        except ObjectMissing:
            return None
        except AccessRefused:
            self.check()  # the response to HEAD has no body; this request names the cause
            raise

    def objects(self, prefix: str = "", after: str | None = None) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with `prefix` and follow `after`, in order of their keys."""
        while page := self._page(prefix, after):
            yield from page
            after = page[-1].key

    def uploads(self) -> list[Upload]:
        """Return the multipart uploads that are not finished.

        MinIO lists none without the name of their object, and removes them itself after a day.
        """
        return self._retrying.call("list_uploads", self._uploads)

    def abort(self, upload: Upload) -> None:
        """Abort an upload: the store frees its parts."""
        self._retrying.call("abort_upload", lambda: self._abort(upload))

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is removed."""
        self._retrying.call("remove", lambda: self._minio.remove_object(self.name, key))

    def _page(self, prefix: str, after: str | None, *, limit: int | None = None) -> list[StoredObject]:
        def send() -> list[StoredObject]:
            listing = self._minio.list_objects(self.name, prefix=prefix, recursive=True, start_after=after)
            return [
                StoredObject(found.object_name or "", found.size or 0, found.last_modified or _UNKNOWN)
                for found in islice(listing, limit or PAGE)
            ]

        return self._retrying.call("list", send)

    @overrides_private("minio.api:Minio._list_multipart_uploads", "45e4f9a8808f")
    def _uploads(self) -> list[Upload]:
        found: list[Upload] = []
        key: str | None = None
        upload_id: str | None = None
        while True:
            try:
                page = self._minio._list_multipart_uploads(  # noqa: SLF001  (minio has no public name for it)
                    self.name, key_marker=key, upload_id_marker=upload_id
                )
            except MinioException as error:
                if code_of(error) == "NoSuchUpload":  # rclone's word for none
                    return found
                raise
            found += [
                Upload(upload.object_name, upload.upload_id or "", upload.initiated_time or _UNKNOWN)
                for upload in page.uploads
            ]
            if not page.is_truncated or not page.uploads:
                return found
            key, upload_id = page.uploads[-1].object_name, page.uploads[-1].upload_id

    @overrides_private("minio.api:Minio._abort_multipart_upload", "085fbbcd6018")
    def _abort(self, upload: Upload) -> None:
        self._minio._abort_multipart_upload(self.name, upload.key, upload.upload_id)  # noqa: SLF001

    def _create(self) -> bool:
        try:
            self._minio.make_bucket(self.name, location=self._region)
        except MinioException as error:
            if code_of(error) in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:  # another process was faster
                return False
            raise
        return True


_UNKNOWN = datetime.max.replace(tzinfo=UTC)
"""A store that does not date an object: it is never old."""


def checksum_of(key: str) -> str | None:
    """Return the SHA-256 that an object's name states, None for an object that is not named by it."""
    named = _BLOB.fullmatch(key)
    return None if named is None else named[1]


def _glimpse(content: bytes) -> str:
    return f"what came has {len(content)} bytes and begins with {content[:24]!r}"
