"""Answers of a store that are not what was stored: tried again, then an error, never taken for the object."""

import hashlib
import struct
import time
import zlib
from email.utils import formatdate

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.manifest import Description
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage import S3BannerStore, StorageMetrics
from bannerstream.storage.errors import BrokenAnswer, SpoiltObject, StoreUnavailable
from bannerstream.storage.pictures import encode_picture
from bannerstream.storage.store import FRESH_S
from tests.support.scripted_server import Response, ScriptedServer, s3_error

PIXELS = np.random.default_rng(7).integers(0, 255, (40, 60, 4), np.uint8)
PICTURE = encode_picture(PIXELS)
OTHER = encode_picture(PIXELS[::-1])
KEY = "catalogue/aa/mug.png"
PAGE = b"<html>captive portal</html>"
ETAG = {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}


def with_broken_pixels(png: bytes) -> bytes:
    """Return a PNG that decodes, but whose pixels are others than those that their check sum is of."""
    at = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[at - 4 : at])
    pixels = bytearray(zlib.decompress(png[at + 4 : at + 4 + length]))
    pixels[-9:] = bytes(9)
    packed = zlib.compress(bytes(pixels))
    return png[: at - 4] + struct.pack(">I", len(packed)) + b"IDAT" + packed + png[at + 4 + length :]


WRONG = {
    "empty": b"",
    "a page": PAGE,
    "cut": PICTURE[: len(PICTURE) // 2],
    "zeros": PICTURE[: len(PICTURE) // 2] + bytes(len(PICTURE) // 2),
    "nothing but zeros": bytes(len(PICTURE)),
    "other pixels": with_broken_pixels(PICTURE),
}


@pytest.mark.parametrize("checksum", [True, False], ids=["checksum", "stored earlier"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_picture_that_is_not_the_one_that_was_stored(
    server: ScriptedServer, storage_settings: StorageSettings, wrong: bytes, checksum: bool
) -> None:
    registry = CollectorRegistry()
    store = S3BannerStore(storage_settings, metrics=StorageMetrics(registry))
    server.headers = ETAG | ({"x-amz-meta-sha256": hashlib.sha256(PICTURE).hexdigest()} if checksum else {})
    server.script = lambda method, path: (200, "image/png", wrong)
    with pytest.raises(SpoiltObject, match=KEY) as caught:
        store.product_image(KEY)
    assert not isinstance(caught.value, ServiceUnavailable), "else one picture holds up every request"
    assert len(server.requests) == 3
    assert registry.get_sample_value("bannerstream_storage_wrong_bytes_total") == 3

    answers = [wrong, wrong, PICTURE]
    server.script = lambda method, path: (200, "image/png", answers.pop(0))
    found = store.product_image(KEY)
    assert found is not None
    np.testing.assert_array_equal(found[0], PIXELS)


def test_another_object_s_bytes_are_found_by_the_checksum(
    server: ScriptedServer, storage_settings: StorageSettings
) -> None:
    server.headers = ETAG | {"x-amz-meta-sha256": hashlib.sha256(PICTURE).hexdigest()}
    server.script = lambda method, path: (200, "image/png", OTHER)
    with pytest.raises(SpoiltObject):
        S3BannerStore(storage_settings).product_image(KEY)


def test_a_body_that_ends_early(server: ScriptedServer, storage_settings: StorageSettings) -> None:
    server.headers, server.cut_short = ETAG, True
    server.script = lambda method, path: (200, "image/png", PICTURE)
    with pytest.raises(BrokenAnswer, match="ends early"):
        S3BannerStore(storage_settings).product_image(KEY)
    assert len(server.requests) == 3


def test_a_blob_is_checked_by_its_name(server: ScriptedServer, storage_settings: StorageSettings) -> None:
    digest = hashlib.sha256(b"a picture").hexdigest()
    server.headers = ETAG
    answers = [PAGE, b"a picture"]
    server.script = lambda method, path: (200, "image/webp", answers.pop(0))
    assert S3BannerStore(storage_settings).get_blob(f"blobs/{digest[:2]}/{digest}.webp") == b"a picture"


DESCRIPTION = encode(Description(subject="mug", attributes=("blue",), setting="a kitchen table", describer="lexicon@1"))


@pytest.mark.parametrize("wrong", [b"", PAGE, DESCRIPTION[:-9]], ids=["empty", "a page", "cut"])
def test_a_message_that_the_store_spoilt_was_never_stored_but_a_proxy_s_page_is_an_outage(
    server: ScriptedServer, storage_settings: StorageSettings, wrong: bytes
) -> None:
    store = S3BannerStore(storage_settings)
    server.script = lambda method, path: (200, "text/html", wrong)
    with pytest.raises(StoreUnavailable):
        store.description("key")
    server.headers = ETAG
    assert store.description("key") is None
    answers = [wrong, DESCRIPTION]
    server.script = lambda method, path: (200, "application/json", answers.pop(0))
    assert store.description("key") is not None


def test_nothing_counts_as_stored_without_the_store_s_own_answer(
    server: ScriptedServer, storage_settings: StorageSettings
) -> None:
    """A captive portal answers HEAD and PUT with 200, too: the ready event of a banner would point to nothing."""
    store = S3BannerStore(storage_settings)
    server.script = lambda method, path: (200, "text/html", PAGE)
    with pytest.raises(StoreUnavailable, match="ETag"):
        store.put_blob(b"a picture", "image/webp")
    with pytest.raises(StoreUnavailable, match="not stored"):
        store.put_description("key", Description(subject="a", attributes=(), setting="b", describer="c"))
    server.headers, server.script = ETAG, lambda method, path: (200, "text/plain", b"")
    store.put_description("key", Description(subject="a", attributes=(), setting="b", describer="c"))


@pytest.mark.parametrize(
    ("stored", "age_s", "written"),
    [(b"a picture", 60, False), (b"a pic", 60, True), (b"", 60, True), (b"a picture", FRESH_S + 3600, True)],
    ids=["whole", "cut", "empty", "old"],
)
def test_a_blob_that_is_there_is_written_again_where_it_is_cut_or_old(
    server: ScriptedServer,
    storage_settings: StorageSettings,
    stored: bytes,
    age_s: float,
    written: bool,
) -> None:
    server.headers = ETAG | {"Last-Modified": formatdate(time.time() - age_s, usegmt=True)}
    server.script = lambda method, path: (200, "image/webp", stored if method == "HEAD" else b"")
    S3BannerStore(storage_settings).put_blob(b"a picture", "image/webp")
    assert [method for method, _ in server.requests] == (["HEAD", "PUT"] if written else ["HEAD"])


def test_a_blob_that_is_not_there_is_written(server: ScriptedServer, storage_settings: StorageSettings) -> None:
    def script(method: str, path: str) -> Response:
        return s3_error(404, "NoSuchKey") if method == "HEAD" else (200, "text/plain", b"")

    server.headers, server.script = ETAG, script
    S3BannerStore(storage_settings).put_blob(b"a picture", "image/webp")
    assert [method for method, _ in server.requests] == ["HEAD", "PUT"]
