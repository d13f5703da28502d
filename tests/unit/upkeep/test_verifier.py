"""What a check of the bucket finds, and that an interrupted one goes on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bannerstream.contracts.catalog import Product, with_rev
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import BannerReady
from bannerstream.storage.errors import StoreUnavailable
from bannerstream.storage.fakes import MemoryBannerStore
from bannerstream.storage.pictures import encode_picture
from bannerstream.upkeep.findings import Checked, Journal
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.verifier import Verifier
from tests.support.stored_banners import MUG, ready_of, store_banner

KEY = "a" * 64
PICTURE = "catalogue/aa/mug.png"
NAMES_PICTURE = with_rev(msgspec.structs.replace(MUG, image_key=PICTURE))


def verify(
    store: MemoryBannerStore,
    ready: Mapping[str, BannerReady] | None = None,
    products: Mapping[str, Product] | None = None,
    **options: Any,
) -> Checked:
    pace = Pace(1000, sleep=lambda _: None)
    return Verifier(store, ready or {}, products or {}, pace).verify(options.pop("journal", Journal(None)), **options)


def found(checked: Checked) -> list[tuple[str, str]]:
    return [(finding.kind, finding.key) for finding in checked.findings]


@pytest.fixture
def store() -> MemoryBannerStore:
    return MemoryBannerStore()


def test_a_whole_bucket(store: MemoryBannerStore) -> None:
    store.put_image(PICTURE, encode_picture(np.zeros((4, 4, 4), np.uint8)))
    manifest = store_banner(store, KEY, product=NAMES_PICTURE)
    checked = verify(store, {KEY: ready_of(manifest)}, {"mug": NAMES_PICTURE})
    assert (checked.manifests, checked.blobs, checked.pictures, checked.findings) == (1, 2, 1, [])
    assert checked.bytes == len(b"wide") + len(b"square") + len(store.objects[PICTURE])


Spoil = Callable[[MemoryBannerStore, Manifest], str]


def spoil_manifest(store: MemoryBannerStore, manifest: Manifest) -> str:
    key = f"manifests/{manifest.banner_key}.json"
    store.objects[key] = store.objects[key][:-3]
    return key


def lose_blob(store: MemoryBannerStore, manifest: Manifest) -> str:
    del store.objects[manifest.renditions[1].blob_key]
    return manifest.renditions[1].blob_key


def spoil_blob(store: MemoryBannerStore, manifest: Manifest) -> str:
    store.objects[manifest.renditions[0].blob_key] = b""
    return manifest.renditions[0].blob_key


def lose_manifest(store: MemoryBannerStore, manifest: Manifest) -> str:
    key = f"manifests/{manifest.banner_key}.json"
    del store.objects[key]
    return key


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (spoil_manifest, "manifest_unreadable"),
        (lose_blob, "blob_missing"),
        (spoil_blob, "blob_spoilt"),
        (lose_manifest, "ready_without_manifest"),
    ],
)
def test_each_thing_that_can_be_wrong_with_a_banner(store: MemoryBannerStore, spoil: Spoil, kind: str) -> None:
    other = store_banner(store, "b" * 64, (b"other", b"one"))
    manifest = store_banner(store, KEY, revision=2)
    ready = {KEY: ready_of(manifest), other.banner_key: ready_of(other)}
    key = spoil(store, manifest)
    checked = verify(store, ready)
    assert found(checked) == [(kind, key)]
    (finding,) = checked.findings
    assert (finding.banner_key, finding.product_id, finding.revision) == (KEY, "mug", 2)


def test_what_only_the_announced_preview_shows_is_checked_too(store: MemoryBannerStore) -> None:
    preview = store_banner(store, KEY, (b"preview",))
    store_banner(store, KEY, revision=2)
    lost = lose = preview.renditions[0].blob_key
    del store.objects[lose]
    assert found(verify(store, {KEY: ready_of(preview)})) == [("blob_missing", lost)]


@pytest.mark.parametrize("shown", [True, False])
def test_a_banner_that_hides_its_product(store: MemoryBannerStore, shown: bool) -> None:
    """Earlier versions published one where the store failed to give the picture."""
    store.put_image(PICTURE, encode_picture(np.zeros((4, 4, 4), np.uint8)))
    store_banner(store, KEY, product=NAMES_PICTURE, shown=shown)
    expected = [] if shown else [("product_not_shown", f"manifests/{KEY}.json")]
    assert found(verify(store, products={"mug": NAMES_PICTURE})) == expected
    assert found(verify(store, products={"mug": MUG})) == [], "of another revision of the product nothing is known"


@pytest.mark.parametrize(("content", "kind"), [(None, "picture_missing"), (b"", "picture_spoilt")])
def test_pictures_of_the_catalogue(store: MemoryBannerStore, content: bytes | None, kind: str) -> None:
    if content is not None:
        store.objects[PICTURE] = content
    checked = verify(store, products={"mug": NAMES_PICTURE})
    assert found(checked) == [(kind, PICTURE)]
    assert checked.findings[0].banner_key is None


def test_an_interrupted_check_goes_on_and_keeps_what_it_found(
    store: MemoryBannerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.upkeep.verifier._PART", 2)
    keys = [f"{number:064x}" for number in range(6)]
    manifests = [store_banner(store, key, (key.encode(),)) for key in keys]
    del store.objects[manifests[0].renditions[0].blob_key]
    path = tmp_path / "journal"
    seen: list[tuple[int, int]] = []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4:
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        verify(store, journal=Journal(path), on_progress=interrupt)
    assert seen == [(0, 6), (2, 6), (4, 6)]
    path.write_bytes(path.read_bytes() + b'{"after": "manif')  # it died while it wrote

    seen.clear()
    store.objects[manifests[1].renditions[0].blob_key] = b""  # checked before: not read again
    del store.objects[manifests[5].renditions[0].blob_key]
    checked = verify(store, journal=Journal(path), on_progress=lambda *step: seen.append(step))
    assert seen == [(4, 6), (6, 6)]
    assert checked.manifests == 6
    assert [key for _, key in found(checked)] == [
        manifests[0].renditions[0].blob_key,
        manifests[5].renditions[0].blob_key,
    ]
    assert all(json.loads(line) for line in path.read_text().splitlines())

    assert len(verify(store, journal=Journal(path)).findings) == 3, "a check that was finished begins again"


@pytest.mark.parametrize("notes", ["my notes\n", "my notes"])
def test_a_file_that_is_not_a_journal_is_kept(store: MemoryBannerStore, tmp_path: Path, notes: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(notes)
    with pytest.raises(ConfigurationError, match="journal"):
        verify(store, journal=Journal(path))
    assert path.read_text() == notes


def test_the_pace_bounds_requests_over_all_threads() -> None:
    now = [10.0]
    waits: list[float] = []
    pace = Pace(4, clock=lambda: now[0], sleep=waits.append)
    for _ in range(3):
        pace.wait()
    now[0] = 12.0
    pace.wait()
    assert waits == [0.25, 0.5], "after a pause nothing is caught up"
