"""What lies in a bucket, by prefix."""

from bannerstream.storage.bucket import PAGE
from bannerstream.storage.fakes import MemoryBannerStore
from bannerstream.storage.usage import Usage, usage_of


def test_objects_and_bytes_by_the_first_part_of_their_keys() -> None:
    store = MemoryBannerStore()
    store.objects |= {"blobs/aa/1.webp": b"123", "blobs/bb/2.webp": b"45", "manifests/1.json": b"{}", "note": b"n"}
    assert usage_of(store.bucket.objects()) == [Usage("", 1, 1), Usage("blobs/", 2, 5), Usage("manifests/", 1, 2)]


def test_progress_is_shown_once_a_page() -> None:
    store = MemoryBannerStore()
    store.objects |= {f"blobs/{number:06}": b"" for number in range(2 * PAGE + 5)}
    seen: list[int] = []
    usage_of(store.bucket.objects(), seen.append)
    assert seen == [PAGE, 2 * PAGE]
