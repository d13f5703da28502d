"""Copies banners to a folder, laid out as the bucket: for `bannerstream evaluate banners`."""

from pathlib import Path

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.keys import manifest_object_key
from bannerstream.storage.store import S3BannerStore


def export_banners(store: S3BannerStore, folder: Path, limit: int | None = None) -> int:
    """Copy banners with their manifests, in order of their keys and at most `limit`; return how many.

    Raises:
        ConfigurationError: the folder cannot be written.
        StorageError: the store does not give them.
    """
    count = 0
    for key in store.manifest_keys():
        if count == limit:
            break
        manifest = store.manifest(key)
        if manifest is None:
            continue
        # Pictures first, as in the bucket: what a manifest names is there.
        for rendition in manifest.renditions:
            _write(folder / rendition.blob_key, store.get_blob(rendition.blob_key))
        _write(folder / manifest_object_key(key), encode(manifest))
        count += 1
    return count


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
