"""Ingests the pictures of a catalogue and stores them in the bucket."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from bannerstream.catalog.errors import CatalogueInvalid, Problem
from bannerstream.catalog.folder import CatalogueFolder
from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.image_ingest import Treatment, image_key, ingest
from bannerstream.storage.image_ingest.decoding import MAX_BYTES

Stage = Literal["pictures", "cohorts", "products"]
OnProgress = Callable[[Stage, int, int], None]
"""Called with (stage, done, of how many), from the event loop's thread."""

_T = TypeVar("_T")


class PictureStore(Protocol):
    """The part of a bucket used here; `storage.S3BannerStore` and its fake implement it."""

    def has_image(self, key: str) -> bool:
        """Return whether a picture exists."""
        ...

    def put_image(self, key: str, png: bytes) -> None:
        """Store a picture."""
        ...


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """The result of ingesting one product's picture."""

    product_id: str
    treatment: Treatment | Literal["broken", "none"]
    reason: str | None = None
    """Why it was kept whole, or why it cannot be used."""


@dataclass(frozen=True, slots=True)
class StoredPictures:
    """Where the pictures lie now."""

    keys: dict[str, str]
    """Object key by product id."""
    stored: int
    already_there: int


async def check(catalogue: CatalogueFolder, on_progress: OnProgress | None = None) -> tuple[CheckedPicture, ...]:
    """Return what ingest makes of every product's picture, in the catalogue's order. Needs no server."""
    outcomes = await _each_path(catalogue, _examined, on_progress)
    return tuple(
        CheckedPicture(product.product_id, *outcomes[catalogue.images[product.product_id]])
        if product.product_id in catalogue.images
        else CheckedPicture(product.product_id, "none")
        for product in catalogue.products
    )


async def store_pictures(
    catalogue: CatalogueFolder, store: PictureStore, on_progress: OnProgress | None = None, *, again: bool = False
) -> StoredPictures:
    """Store every picture that the bucket lacks, or with `again` every one; only those are ingested.

    Raises:
        CatalogueInvalid: pictures that cannot be used, all of them; the others are in the bucket.
        storage.errors.StorageError: see there.
    """

    def stored(path: Path) -> tuple[str, bool] | BrokenImage:
        content = _content(path)
        key = image_key(content)
        if not again and store.has_image(key):
            return key, False
        try:
            store.put_image(key, ingest(content).png)
        except BrokenImage as error:
            return error
        return key, True

    outcomes = await _each_path(catalogue, stored, on_progress)
    broken = {path: outcome for path, outcome in outcomes.items() if isinstance(outcome, BrokenImage)}
    if broken:
        raise CatalogueInvalid(
            [Problem(catalogue.relative_name(path), None, None, str(error)) for path, error in broken.items()]
        )
    placed = {path: outcome for path, outcome in outcomes.items() if not isinstance(outcome, BrokenImage)}
    counted = Counter(new for _, new in placed.values())
    keys = {product_id: placed[path][0] for product_id, path in catalogue.images.items()}
    return StoredPictures(keys, stored=counted[True], already_there=counted[False])


def _examined(path: Path) -> tuple[Treatment | Literal["broken"], str | None]:
    try:
        picture = ingest(_content(path))
    except BrokenImage as error:
        return "broken", str(error)
    return picture.treatment, picture.kept_whole_because


def _content(path: Path) -> bytes:
    """Return the file, or enough of it for ingest to refuse it as too large."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


async def _each_path(
    catalogue: CatalogueFolder, work: Callable[[Path], _T], on_progress: OnProgress | None
) -> dict[Path, _T]:
    """Do the work once per file, on as many threads as there are processors: Pillow and OpenCV free the GIL."""
    paths = sorted(set(catalogue.images.values()))
    at_once = asyncio.Semaphore(os.cpu_count() or 1)
    outcomes: dict[Path, _T] = {}

    async def process(path: Path) -> None:
        async with at_once:
            outcomes[path] = await asyncio.to_thread(work, path)
        if on_progress is not None:
            on_progress("pictures", len(outcomes), len(paths))

    tasks = [asyncio.create_task(process(path)) for path in paths]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return {path: outcomes[path] for path in paths}  # in their order, whichever was done first
