"""What upkeep needs of the store. `storage.S3BannerStore` and `storage.fakes.MemoryBannerStore` implement it."""

from collections.abc import Iterator
from typing import Protocol

from bannerstream.contracts.manifest import Manifest
from bannerstream.storage.bucket import StoredObject, Upload
from bannerstream.storage.pictures import Pixels


class Objects(Protocol):
    """The bucket's objects by their keys."""

    def objects(self, prefix: str = "", after: str | None = None) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with `prefix` and follow `after`, in order of their keys."""
        ...

    def stat(self, key: str, operation: str) -> StoredObject | None:
        """Return an object without its content, or None."""
        ...

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is removed."""
        ...

    def uploads(self) -> list[Upload]:
        """Return the multipart uploads that are not finished."""
        ...

    def abort(self, upload: Upload) -> None:
        """Abort an upload."""
        ...


class Store(Protocol):
    """Banners and pictures."""

    @property
    def bucket(self) -> Objects:
        """Return what is below."""
        ...

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return a manifest, or None if there is none that can be read."""
        ...

    def get_blob(self, key: str) -> bytes:
        """Return a blob; raises `ObjectMissing` or `SpoiltObject`."""
        ...

    def product_image(self, image_key: str) -> tuple[Pixels, bool] | None:
        """Return a catalogue picture, or None; raises `SpoiltObject`."""
        ...
