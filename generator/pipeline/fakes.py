"""Fakes of the pipeline's ports: plain, fast classes with fault hooks, for the tests of all rooms.

Each fake calls its hook before it does its work; a hook makes it fail by raising.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.keys import blob_object_key, manifest_object_key
from bannerstream.contracts.manifest import BannerCopy, Block, Description, GateScore, Manifest, Provenance
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.pipeline.ports import (
    Box,
    ComposedBanner,
    Composition,
    Painting,
    Pixels,
    PlacedText,
    ProductImage,
    SceneRequest,
)


def _no_fault(*_: object) -> None:
    """Raise nothing."""


class FakeDescriber:
    """Describes every product by the last word of its title. `described` lists the products in order."""

    def __init__(self, revision: str = "fake@1", fault: Callable[[Sequence[Product]], None] = _no_fault) -> None:
        self.revision = revision
        self.fault = fault
        self.described: list[str] = []

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return descriptions that identify their products."""
        self.fault(products)
        self.described += [product.product_id for product in products]
        subjects = [product.title.split()[-1].lower() for product in products]
        return [
            Description(subject=subject, attributes=(), setting="studio", describer=self.revision)
            for subject in subjects
        ]


class FakeCopyWriter:
    """Writes the title as the headline."""

    def __init__(self, fault: Callable[[Product], None] = _no_fault) -> None:
        self.fault = fault

    def write(self, product: Product, cohort: Cohort, locale: str) -> BannerCopy:  # noqa: ARG002  (the port's)
        """Return words that identify their product."""
        self.fault(product)
        return BannerCopy(headline=product.title[:80], line="", call_to_action="Look")


class FakePainter:
    """Paints one flat colour per seed. `batches` holds the seeds of every call."""

    def __init__(self, name: str = "fake", fault: Callable[[Sequence[SceneRequest]], None] = _no_fault) -> None:
        self.name = name
        self.fault = fault
        self.level: Callable[[SceneRequest], int] = lambda scene: 64 + scene.seed % 128
        """How bright a scene is painted; 0 is a black picture."""
        self.batches: list[list[int]] = []

    def batch_key(self, scene: SceneRequest) -> str:
        """Return the size: a server batches only scenes of one size."""
        return scene.composition.size.name

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> list[Painting]:
        """Return finished pictures: no model waits for them to be fitted."""
        return self.paint(scenes)

    def paint(self, scenes: Sequence[SceneRequest]) -> list[Painting]:
        """Return flat pictures of the requested sizes."""
        self.batches.append([scene.seed for scene in scenes])
        self.fault(scenes)
        return [self._painting(scene) for scene in scenes]

    def _painting(self, scene: SceneRequest) -> Painting:
        size = scene.composition.size
        return Painting(
            pixels=np.full((size.height, size.width, 3), self.level(scene), np.uint8),
            light_side="left",
            provenance=Provenance(painter=self.name, engine="studio"),
        )


class FakeLayout:
    """Lays nothing over the painting, and records the product images that it was given."""

    def __init__(self, fault: Callable[[Composition], None] = _no_fault) -> None:
        self.fault = fault
        self.images: list[ProductImage | None] = []

    def plan(self, size: BannerSize, *, variant: str, seed: int, has_product: bool, locale: str) -> Composition:  # noqa: ARG002
        """Return the left half for words, the right for the product."""
        half = Box(0, 0, size.width / 2, size.height)
        return Composition("fake", size, half, half if has_product else None, size.height * 0.8, right_to_left=False)

    def lay_out(
        self,
        painting: Painting,
        composition: Composition,
        words: BannerCopy,
        cohort: Cohort,  # noqa: ARG002  (the port's)
        product_image: ProductImage | None,
        *,
        locale: str,  # noqa: ARG002  (the port's)
    ) -> ComposedBanner:
        """Return the painting unchanged."""
        self.fault(composition)
        self.images.append(product_image)
        headline = PlacedText("headline", words.headline, composition.text, "#000000", font_size=16, bold=False)
        return ComposedBanner(painting.pixels, composition, (headline,), composition.product)


class FakeJudge:
    """Passes everything, unless `passes` returns False."""

    def __init__(self, passes: Callable[[ComposedBanner, Painting], bool] = lambda _banner, _painting: True) -> None:
        self.passes = passes

    def judge(self, banner: ComposedBanner, painting: Painting, encoded_bytes: int) -> tuple[GateScore, ...]:  # noqa: ARG002
        """Return one score."""
        passed = self.passes(banner, painting)
        size = banner.composition.size.name
        return (GateScore(gate="fake", size=size, score=float(passed), threshold=1.0, passed=passed),)


class FakeScreen:
    """Blocks the products in `words`, and every picture for which `picture` returns a reason."""

    def __init__(self, words: dict[str, str] | None = None) -> None:
        self.words = words or {}
        self.picture: Callable[[ProductImage], str | None] = lambda _: None

    def by_words(self, product: Product) -> str | None:
        """Return the product's reason."""
        return self.words.get(product.product_id)

    def by_picture(self, image: ProductImage) -> str | None:
        """Return the picture's reason."""
        return self.picture(image)


@dataclass(frozen=True)
class FakeFile:
    """A few bytes that name size and colour."""

    content: bytes
    media_type: Literal["image/webp", "image/jpeg"] = "image/webp"


def fake_encode(pixels: Pixels, size: BannerSize) -> tuple[FakeFile, ...]:
    """Return one file."""
    return (FakeFile(f"{size.name}:{pixels[0, 0].tolist()}".encode()),)


class FakeStore:
    """A bucket that keeps values unencoded. `written` lists every object key in the order of writing.

    The store calls `fault` with the operation's name and the key, before the operation takes effect.
    """

    def __init__(self, fault: Callable[[str, str], None] = _no_fault) -> None:
        self.fault = fault
        self.manifests: dict[str, Manifest] = {}
        self.blobs: dict[str, bytes] = {}
        self.descriptions: dict[str, Description] = {}
        self.images: dict[str, tuple[Pixels, bool]] = {}
        self.blocks: list[Block] = []
        self.written: list[str] = []
        self._lock = threading.Lock()

    def check(self) -> None:
        """Return: this bucket always exists, unless the hook raises."""
        self.fault("check", "")

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return a banner's manifest, or None."""
        self.fault("manifest", banner_key)
        return self.manifests.get(banner_key)

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest, whose blobs must be stored already."""
        self.fault("put_manifest", manifest.banner_key)
        dangling = {rendition.blob_key for rendition in manifest.renditions} - self.blobs.keys()
        if dangling:
            raise AssertionError(f"the manifest names missing blobs: {sorted(dangling)}")
        self.manifests[manifest.banner_key] = manifest
        return self._wrote(manifest_object_key(manifest.banner_key))

    def put_blob(self, content: bytes, media_type: str, *, again: bool = False) -> str:  # noqa: ARG002
        """Store a blob under its hash."""
        key = blob_object_key(hashlib.sha256(content).hexdigest(), media_type.removeprefix("image/"))
        self.fault("put_blob", key)
        self.blobs[key] = content
        return self._wrote(key)

    def has_blobs(self, manifest: Manifest) -> bool:
        """Return whether every blob of a banner is there and has its hash."""
        self.fault("has_blobs", manifest.banner_key)
        return all(
            hashlib.sha256(self.blobs.get(rendition.blob_key, b"")).hexdigest() == rendition.sha256
            for rendition in manifest.renditions
        )

    def description(self, description_key: str) -> Description | None:
        """Return a kept description, or None."""
        self.fault("description", description_key)
        return self.descriptions.get(description_key)

    def put_description(self, description_key: str, description: Description) -> None:
        """Keep a description."""
        self.fault("put_description", description_key)
        self.descriptions[description_key] = description

    def blocks_to_move(self) -> list[Block]:
        """Return the blocks, until they are moved."""
        self.fault("blocks_to_move", "")
        return self.blocks

    def mark_blocks_moved(self) -> None:
        """Forget the blocks."""
        self.fault("mark_blocks_moved", "")
        self.blocks = []

    def product_image(self, image_key: str) -> tuple[Pixels, bool] | None:
        """Return a catalogue picture, or None."""
        self.fault("product_image", image_key)
        return self.images.get(image_key)

    def _wrote(self, key: str) -> str:
        with self._lock:
            self.written.append(key)
        return key
