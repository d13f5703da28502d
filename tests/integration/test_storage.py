"""One contract for the bucket and its fake."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO

import msgspec
import numpy as np
import pytest
from pydantic import SecretStr

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.manifest import BannerCopy, Block, Description, Manifest, Provenance
from bannerstream.contracts.messages import Rendition
from bannerstream.settings.model import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.storage.errors import BucketMissing, ObjectMissing, SpoiltObject, WrongCredentials
from bannerstream.storage.fakes import MemoryBannerStore
from bannerstream.storage.pictures import encode_picture
from bannerstream.storage.store import REVALIDATE

pytestmark = pytest.mark.servers("s3")

Store = S3BannerStore | MemoryBannerStore

DESCRIPTION = Description(
    subject="mug", attributes=("blue", "stoneware"), setting="a kitchen table", describer="lexicon@1"
)


def manifest(banner_key: str) -> Manifest:
    return Manifest(
        banner_key=banner_key,
        revision=1,
        product_id="mug-1",
        product_rev="0" * 16,
        cohort_id="home",
        cohort_rev="1" * 16,
        locale="en",
        variant="a",
        creative_revision="1",
        description=DESCRIPTION,
        words=BannerCopy(headline="A mug", line="", call_to_action="Look"),
        provenance=Provenance(painter="studio@1", engine="studio"),
        seed=7,
        templates={"300x250": "split"},
        gates=(),
        renditions=(
            Rendition(
                size="300x250",
                blob_key="blobs/aa/aa.webp",
                width=300,
                height=250,
                bytes=3,
                sha256="a" * 64,
                media_type="image/webp",
            ),
        ),
        stage_ms={},
        created_at=0,
    )


@pytest.fixture
def bucket(settings: Settings) -> Iterator[S3BannerStore]:
    """A new, empty bucket on the S3 server of the stack."""
    store = S3BannerStore(settings.storage)
    assert store.ensure_bucket()
    yield store
    store.close()


@pytest.fixture(params=["real", "fake"])
def store(request: pytest.FixtureRequest, bucket: S3BannerStore) -> Store:
    """The bucket, and after it its fake."""
    return bucket if request.param == "real" else MemoryBannerStore()


def test_a_manifest_comes_back_as_it_was(store: Store) -> None:
    key = "5" * 64
    assert store.manifest(key) is None
    assert store.put_manifest(manifest(key)) == f"manifests/{key}.json"
    assert store.manifest(key) == manifest(key)
    repainted = msgspec.structs.replace(manifest(key), revision=2)
    store.put_manifest(repainted)
    assert store.manifest(key) == repainted


def test_every_manifest_is_listed_in_order(store: Store) -> None:
    assert list(store.manifest_keys()) == []
    keys = [digit * 64 for digit in "0a3"]
    for key in keys:
        store.put_manifest(manifest(key))
    store.put_description("9" * 64, DESCRIPTION)
    assert list(store.manifest_keys()) == sorted(keys)


def test_a_blob_is_kept_under_its_hash(store: Store) -> None:
    key = store.put_blob(b"one picture", "image/webp")
    digest = hashlib.sha256(b"one picture").hexdigest()
    assert key == f"blobs/{digest[:2]}/{digest}.webp"
    assert store.put_blob(b"one picture", "image/webp") == key
    assert store.put_blob(b"another", "image/webp") != key
    assert store.get_blob(key) == b"one picture"
    with pytest.raises(ObjectMissing):
        store.get_blob("blobs/00/none.webp")
    with pytest.raises(ValueError, match="image/webp"):
        store.put_blob(b"<svg/>", "image/svg+xml")


def test_a_description_comes_back_as_it_was(store: Store) -> None:
    assert store.description("lexicon-1-abc") is None
    store.put_description("lexicon-1-abc", DESCRIPTION)
    assert store.description("lexicon-1-abc") == DESCRIPTION


def test_a_block_comes_back_as_it_was_and_is_listed(store: Store) -> None:
    """As earlier versions stored it, until the topic of refusals has it."""
    assert store.blocks_to_move() == []
    block = Block(product_id="mug/ü", product_rev="0" * 16, gate="words", reason="no", blocked_at=1)
    if isinstance(store, MemoryBannerStore):
        store.objects["blocked/00.json"] = encode(block)
    else:
        store.bucket.put("blocked/00.json", encode(block), "application/json", REVALIDATE, "put_block")
    assert store.blocks_to_move() == [block]
    assert list(store.manifest_keys()) == []
    store.mark_blocks_moved()
    assert store.blocks_to_move() == []


def test_a_catalogue_picture_says_whether_it_is_cut_out(store: Store) -> None:
    card = np.full((4, 6, 4), 255, np.uint8)
    cut_out = card.copy()
    cut_out[0, :, 3] = 0
    for key, pixels, expected in (("catalogue/aa/card.png", card, False), ("catalogue/aa/mug.png", cut_out, True)):
        assert store.product_image(key) is None
        assert not store.has_image(key)
        store.put_image(key, encode_picture(pixels))
        assert store.has_image(key)
        found = store.product_image(key)
        assert found is not None
        assert found[1] is expected
        np.testing.assert_array_equal(found[0], pixels)
    with pytest.raises(ValueError, match="catalogue/"):
        store.put_image("blobs/aa/card.png", encode_picture(card))


def test_what_cannot_be_read_counts_as_never_made(store: Store) -> None:
    broken = "6" * 64
    key = f"manifests/{broken}.json"
    if isinstance(store, MemoryBannerStore):
        store.objects[key] = b'{"banner_key": '
    else:
        store.bucket.put(key, b'{"banner_key": ', "application/json", "no-cache", "put_manifest")
    assert store.manifest(broken) is None
    store.put_image("catalogue/aa/broken.png", b"\x89PNG and then nothing")
    with pytest.raises(SpoiltObject):
        store.product_image("catalogue/aa/broken.png")


def test_what_the_store_spoilt_is_not_taken_for_what_was_stored(bucket: S3BannerStore) -> None:
    """The checksum that was written beside a picture comes back with it, on every store."""
    bucket.bucket._retrying._sleep = lambda _: True
    key, other = "catalogue/aa/mug.png", "catalogue/aa/other.png"
    bucket.put_image(key, encode_picture(np.full((4, 6, 4), 255, np.uint8)))
    bucket.put_image(other, encode_picture(np.zeros((4, 6, 4), np.uint8)))
    checksums = {}
    for name in (key, other):
        stat = bucket.bucket._minio.stat_object(bucket.bucket.name, name)
        assert stat.metadata is not None
        checksums[name] = stat.metadata["x-amz-meta-sha256"]
        assert checksums[name] == hashlib.sha256(bucket.get_blob(name)).hexdigest()
    spoilt = bucket.get_blob(other)
    bucket.bucket._minio.put_object(
        bucket.bucket.name, key, BytesIO(spoilt), len(spoilt), metadata={"sha256": checksums[key]}
    )
    with pytest.raises(SpoiltObject, match=checksums[key]):
        bucket.product_image(key)
    earlier = "catalogue/aa/earlier.png"
    bucket.bucket._minio.put_object(bucket.bucket.name, earlier, BytesIO(spoilt), len(spoilt))
    assert bucket.product_image(earlier) is not None, "pictures of earlier versions have no checksum"


def test_the_bucket_is_made_once(bucket: S3BannerStore) -> None:
    bucket.check()
    assert not bucket.ensure_bucket()


def test_blobs_may_be_cached_for_good_and_manifests_may_not(bucket: S3BannerStore) -> None:
    blob = bucket.put_blob(b"one picture", "image/webp")
    listed = bucket.put_manifest(manifest("7" * 64))
    assert headers_of(bucket, blob) == ("image/webp", "public, max-age=31536000, immutable")
    assert headers_of(bucket, listed) == ("application/json", "no-cache")


def test_nothing_is_public(bucket: S3BannerStore, settings: Settings) -> None:
    blob = bucket.put_blob(b"one picture", "image/webp")
    scheme = "https" if settings.storage.secure else "http"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{scheme}://{settings.storage.endpoint}/{bucket.bucket.name}/{blob}", timeout=5)
    assert caught.value.code in {400, 403}
    caught.value.close()


def test_more_manifests_than_one_page_are_all_listed(bucket: S3BannerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bannerstream.storage.bucket.PAGE", 3)
    keys = [f"{n:064x}" for n in range(8)]
    for key in keys:
        bucket.put_manifest(manifest(key))
    assert list(bucket.manifest_keys()) == keys


def test_a_bucket_that_is_not_there_is_told(settings: Settings) -> None:
    nowhere = S3BannerStore(settings.storage)
    for ask in (
        nowhere.check,
        lambda: nowhere.put_blob(b"x", "image/png"),
        lambda: nowhere.put_manifest(manifest("8" * 64)),
    ):
        with pytest.raises(BucketMissing, match=r"storage\.bucket"):
            ask()
    nowhere.close()


@pytest.mark.parametrize(
    "wrong", [{"secret_key": SecretStr("not the secret of this key")}, {"access_key": "nobody-knows-this"}]
)
def test_wrong_credentials_are_told(settings: Settings, wrong: dict[str, object]) -> None:
    stranger = S3BannerStore(settings.storage.model_copy(update=wrong))
    for ask in (stranger.check, lambda: stranger.put_blob(b"x", "image/png"), stranger.ensure_bucket):
        with pytest.raises(WrongCredentials, match=r"storage\.secret_key"):
            ask()
    stranger.close()


def headers_of(store: S3BannerStore, key: str) -> tuple[str | None, str | None]:
    stat = store.bucket._minio.stat_object(store.bucket.name, key)
    assert stat.metadata is not None
    return stat.metadata.get("content-type"), stat.metadata.get("cache-control")
