"""Serves pictures by file name: the default banner's from memory, others from the bucket through an LRU cache.

A picture's name is the SHA-256 of its bytes. Browsers and CDNs keep it for a year, so the bucket's client checks what
comes against its name (`storage.bucket`), and nothing else is served or cached.
"""

import asyncio
import re
from collections import OrderedDict
from typing import Protocol

import structlog

from bannerstream.edge.banner_facts import object_key
from bannerstream.edge.default_banner import MEDIA_TYPE, default_pictures
from bannerstream.edge.errors import NotFound, Overloaded, WrongBytes
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.storage.errors import ObjectMissing, SpoiltObject, StorageError, StoreUnavailable

_log = structlog.get_logger(__name__)

NAME = re.compile(r"[0-9a-f]{64}\.(webp|jpg|png|avif|svg)")

MEDIA_TYPES = {
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "png": "image/png",
    "avif": "image/avif",
    "svg": MEDIA_TYPE,
}

FETCHES = 16
"""Concurrent fetches from the bucket: more would compete for bandwidth and hold threads."""

MAX_FETCHING = 256
"""Fetches in progress or waiting: more than a shop shows at a time. Bounded, because clients can invent names."""

FETCH_TIMEOUT_S = 20.0
"""Browsers have given up on the picture by then."""


class Bucket(Protocol):
    """The interface of `storage.S3BannerStore` that a node needs."""

    def check(self) -> None:
        """Return if the bucket answers; raises `StorageError` otherwise."""
        ...

    def get_blob(self, key: str) -> bytes:
        """Return the content of an object whose hash is its name; raises `ObjectMissing` or `SpoiltObject`."""
        ...


class Pictures:
    """Fetches and caches immutable pictures; concurrent requests for one picture share one fetch."""

    def __init__(self, bucket: Bucket, metrics: EdgeMetrics, *, cache_bytes: int) -> None:
        self._bucket = bucket
        self._metrics = metrics
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._own = default_pictures()
        self._fetching: dict[str, asyncio.Task[bytes]] = {}
        self._room = asyncio.Semaphore(FETCHES)

    def is_own(self, name: str) -> bool:
        """Return whether a picture belongs to the default banner."""
        return name in self._own

    async def get(self, name: str) -> bytes:
        """Return a picture.

        Raises:
            NotFound: no picture has this name.
            Overloaded: the bucket does not answer, or too many pictures are being fetched.
            WrongBytes: the bucket's bytes are not this picture's.
        """
        content = self._own.get(name) or self._cached.get(name)
        if content is not None:
            self._metrics.pictures.labels("memory").inc()
            if name in self._cached:
                self._cached.move_to_end(name)
            return content
        fetch = self._fetching.get(name)
        if fetch is None:
            if len(self._fetching) >= MAX_FETCHING:
                raise Overloaded("too many pictures are being fetched", retry_after_s=5)
            fetch = self._fetching[name] = asyncio.create_task(self._fetch(name))
            fetch.add_done_callback(lambda _: self._fetching.pop(name, None))
        try:
            # Shielded: the first client may disconnect while others wait for the same picture.
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                content = await asyncio.shield(fetch)
        except ObjectMissing as error:
            self._metrics.pictures.labels("nowhere").inc()
            raise NotFound("there is no such picture") from error
        except (StorageError, TimeoutError) as error:
            raise Overloaded("the store does not answer", retry_after_s=5) from error
        self._metrics.pictures.labels("bucket").inc()
        return content

    async def _fetch(self, name: str) -> bytes:
        async with self._room:
            content = await asyncio.to_thread(self._checked, name)
        self._keep(name, content)
        return content

    def _checked(self, name: str) -> bytes:
        """Return the bucket's bytes, whose SHA-256 the store compares with the name. Blocks."""
        key = object_key(name)
        try:
            return self._bucket.get_blob(key)
        except StoreUnavailable:
            raise
        except SpoiltObject as error:
            self._metrics.wrong_bytes.inc()
            _log.error("wrong_bytes", key=key, error=str(error))
            raise WrongBytes("the store's bytes are not this picture", retry_after_s=5) from error

    def _keep(self, name: str, content: bytes) -> None:
        if len(content) > self._cache_bytes:
            return
        self._cached[name] = content
        self._size += len(content)
        while self._size > self._cache_bytes:
            _, oldest = self._cached.popitem(last=False)
            self._size -= len(oldest)


def etag_of(name: str) -> str:
    """Return the strong validator of a picture: its hash."""
    return f'"{name.partition(".")[0]}"'


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a range request, or None to send the whole picture.

    Only a single range is served; RFC 9110 §14.2 allows to ignore several ranges and other units.

    Raises:
        ValueError: the range lies outside of the picture (status 416).
    """
    match = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
        if not int(last):
            raise ValueError("an empty range")
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size:
        raise ValueError("the range begins after the end")
    return start, end
