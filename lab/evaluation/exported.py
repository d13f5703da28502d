"""Banners in a folder, laid out as in the bucket: `manifests/<banner key>.json` and the blobs that they name.

`bannerstream banners export` writes such a folder, `bannerstream demo --keep` writes one below its own, and any copy of
a bucket is one: the named folder, or one below it, holds `manifests/`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ConfigurationError, MalformedRecord
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import Rendition
from bannerstream.generator.pipeline.ports import Pixels


@dataclass(frozen=True, slots=True)
class ExportedBanner:
    """One manifest and the folder of its blobs."""

    manifest: Manifest
    folder: Path

    def pictures(self, media_type: str = "image/webp") -> Iterator[tuple[Rendition, Pixels]]:
        """Yield every size in this format, decoded to RGB.

        Raises:
            ConfigurationError: a blob is missing or is not a picture: the folder holds part of a bucket.
        """
        for rendition in self.manifest.renditions:
            if rendition.media_type == media_type:
                yield rendition, self._pixels(rendition)

    def _pixels(self, rendition: Rendition) -> Pixels:
        path = self.folder / rendition.blob_key
        try:
            return np.asarray(Image.open(BytesIO(path.read_bytes())).convert("RGB"), np.uint8)
        except OSError as error:
            raise ConfigurationError(f"{path}, which a manifest names, cannot be read: {error}") from error


def read_exported(folder: Path, limit: int | None = None) -> list[ExportedBanner]:
    """Return the banners in a folder, ordered by key; at most `limit`.

    Raises:
        ConfigurationError: there is no manifest, or one cannot be read.
    """
    paths = sorted({*folder.glob("manifests/*.json"), *folder.glob("**/manifests/*.json")})
    if not paths:
        raise ConfigurationError(
            f"{folder} holds no manifests/*.json; fill one with `bannerstream banners export {folder}`, or name the "
            "folder of `bannerstream demo --keep`"
        )
    return [ExportedBanner(_read(path), path.parent.parent) for path in paths[:limit]]


def _read(path: Path) -> Manifest:
    try:
        return decode(path.read_bytes(), Manifest)
    except (OSError, MalformedRecord) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
