"""The ports of the pipeline and the values that pass between them.

Coordinates are pixels of the banner, origin top left, unless a name ends in `_fraction`. Images are numpy arrays,
uint8, height x width x 3 (RGB) or 4 (RGBA, straight alpha), sRGB.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.catalog import Cohort, Favourite, Product
from bannerstream.contracts.manifest import BannerCopy, Block, Description, GateScore, Manifest, Provenance
from bannerstream.contracts.sizes import BannerSize
from bannerstream.contracts.variants import Creative
from bannerstream.generator.errors import PaintingFailed

Pixels = NDArray[np.uint8]
"""A decoded picture: height x width x channels. `PIL.Image` is the other form."""
LightSide = Literal["left", "right", "above"]

_BLACK_BELOW = 8
"""Channel value, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Composition:
    """Places of text and product on one size: planned before painting, so that the painter keeps them calm."""

    template: str
    size: BannerSize
    text: Box
    product: Box | None
    """Place of the product, its foot on `ground_y`; None when the catalogue has no picture of it."""
    ground_y: float
    """Height of the surface that the product stands on."""
    right_to_left: bool
    aside: Box | None = None
    """Place of price and button, where they are apart from the words."""
    creative: Creative = field(default_factory=Creative)
    """The requested template (a shape that lacks it uses another), and the styles of headline and scene."""


@dataclass(frozen=True, slots=True)
class ProductImage:
    """The catalogue's picture of a product: cut out with its own alpha, or a whole photograph to be shown as a card."""

    pixels: Pixels
    """RGBA. Opaque everywhere when `cut_out` is False."""
    cut_out: bool


@dataclass(frozen=True, slots=True)
class SceneRequest:
    """The scene that a painter has to paint for one size of one banner."""

    description: Description
    cohort: Cohort
    composition: Composition
    seed: int
    """Same scene and seed, same picture (on one machine and version)."""
    product_image: ProductImage | None
    brand: str | None = None
    """The product's brand, as its record spells it: some brands have an adapter of their own."""
    favourites: tuple[Favourite, ...] = ()
    """Products that the cohort looks at."""
    keywords: tuple[str, ...] = ()
    """Style words that go into the prompt unchanged; a repeated word weighs more."""
    guidance_factor: float = 1.0
    """Factor on the painter's guidance: above 1, the words are followed more closely."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """The product's shadow in the scene's light."""

    length: float = 0.2
    """Length on the ground as a share of the product's height: short under a high sun."""
    softness: float = 1.0
    """1 is a window's shadow; less is a sun's or spotlight's."""
    strength: float = 1.0


def is_black(pixels: Pixels) -> bool:
    """Return whether every channel of every pixel is dark: a safety checker or half-precision overflow leaves that."""
    return int(pixels.max()) < _BLACK_BELOW


@dataclass(frozen=True, slots=True)
class Painting:
    """A painted scene, ready for product and words."""

    pixels: Pixels
    """RGB, exactly the requested size."""
    light_side: LightSide
    """Side of the light; the product's shadow falls to the other."""
    provenance: Provenance
    shadow: Shadow = field(default_factory=Shadow)
    holds_product: bool = False
    """The painter painted the product itself (mode `whole`): the layout adds none."""


class Describer(Protocol):
    """Turns products into (subject, attributes, setting)."""

    @property
    def revision(self) -> str:
        """Name of the model and prompt: part of the key under which descriptions are kept."""
        ...

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order. An unusual title never raises; it gets a fallback."""
        ...


class CopyWriter(Protocol):
    """Writes the words of a banner."""

    def write(self, product: Product, cohort: Cohort, locale: str) -> BannerCopy:
        """Return headline, line and call to action, each built from facts of the product record."""
        ...


class Painter(Protocol):
    """Paints scenes."""

    def paint(self, scenes: Sequence[SceneRequest]) -> Sequence[Painting | PaintingFailed]:
        """Return one painting per scene, in order, or the error of a scene that failed alone.

        Raises:
            PaintingFailed: all scenes failed; the pipeline paints with the studio instead.
        """
        ...


Unfinished = Callable[[], Painting | PaintingFailed]
"""A model's raw picture. Called once, on any thread, it returns the finished painting or the error."""


class BatchPainter(Protocol):
    """A painter whose model is faster in batches, which `generator.serving.PaintServer` forms. One thread calls it."""

    def batch_key(self, scene: SceneRequest) -> Hashable:
        """Return what scenes must share to be painted in one call of the model: shape, adapter. Pure."""
        ...

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> Sequence[Unfinished | Painting | PaintingFailed]:
        """Return one picture per scene, in order, all of one batch key, or the error of a scene that failed alone.

        Work that needs no model is left to the caller's thread, so that the model goes on with the next batch.

        Raises:
            OutOfMemory: the batch exceeds the memory; half of it is tried next.
            PaintingFailed: all scenes failed.
        """
        ...


class Layout(Protocol):
    """Places product and words. The module `generator.layout` implements it."""

    def plan(self, size: BannerSize, *, variant: str, seed: int, has_product: bool, locale: str) -> Composition:
        """Return the composition of one size. Called before painting."""
        ...

    def lay_out(
        self,
        painting: Painting,
        composition: Composition,
        words: BannerCopy,
        cohort: Cohort,
        product_image: ProductImage | None,
        *,
        locale: str,
    ) -> "ComposedBanner":
        """Return the painting with product and words laid over it.

        Raises:
            NoFontForScript: no installed font has the letters of the words.
        """
        ...


class Encoder(Protocol):
    """Writes a banner as files. The function `generator.pipeline.encoder.encode` implements it."""

    def __call__(self, pixels: Pixels, size: BannerSize) -> "tuple[EncodedImage, ...]":
        """Return the banner in every published file format.

        Raises:
            OverByteCap: no acceptable quality fits the size's cap.
        """
        ...


class Judge(Protocol):
    """Scores a finished banner."""

    def judge(self, banner: "ComposedBanner", painting: Painting, encoded_bytes: int) -> tuple[GateScore, ...]:
        """Return one score per gate."""
        ...


@dataclass(frozen=True, slots=True)
class ComposedBanner:
    """A laid-out banner: the picture and the places of its parts."""

    pixels: Pixels
    """RGB."""
    composition: Composition
    text_lines: tuple["PlacedText", ...]
    product: Box | None
    """Box of the product's visible pixels; None without a product."""


class NudityClassifier(Protocol):
    """Classifies pictures by nudity. `generator.gates.nudity.TransformersNudity` implements it."""

    def probability(self, pixels: Pixels) -> float:
        """Return how likely an RGB picture shows nudity, 0 to 1. May be called from several threads.

        Raises:
            PainterUnavailable: the model hangs.
        """
        ...


class Screen(Protocol):
    """Blocks products that must not appear on a banner."""

    def by_words(self, product: Product) -> str | None:
        """Return why the product's words block it, or None."""
        ...

    def by_picture(self, image: ProductImage) -> str | None:
        """Return why the product's picture blocks it, or None.

        Raises:
            NotScreened: the classifier is unavailable now.
        """
        ...


class EncodedImage(Protocol):
    """A banner as a file."""

    @property
    def content(self) -> bytes:
        """Return the file."""
        ...

    @property
    def media_type(self) -> Literal["image/webp", "image/jpeg"]:
        """Return its format."""
        ...


@dataclass(frozen=True, slots=True)
class PlacedText:
    """One line of words as it was drawn."""

    role: Literal["eyebrow", "headline", "line", "price", "former_price", "saving", "call_to_action"]
    text: str
    box: Box
    """Box of the ink: every pixel of these letters lies inside."""
    colour: str
    """sRGB hex of the letters."""
    font_size: float
    bold: bool
    """Together with the size it decides the contrast that WCAG requires: large letters need less."""


class BannerStore(Protocol):
    """Keeps banners. `storage.S3BannerStore` implements it. Every method blocks; call it from a thread."""

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return the manifest of a banner, or None if it was never made."""
        ...

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest and return its object key. Its blobs must be stored already."""
        ...

    def put_blob(self, content: bytes, media_type: str, *, again: bool = False) -> str:
        """Store an immutable blob under its hash, unless it exists and `again` is off; return its object key."""
        ...

    def has_blobs(self, manifest: Manifest) -> bool:
        """Return whether every blob of a banner is there and has its hash. Reads them all."""
        ...

    def description(self, description_key: str) -> Description | None:
        """Return a kept description, or None."""
        ...

    def put_description(self, description_key: str, description: Description) -> None:
        """Keep a description."""
        ...

    def blocks_to_move(self) -> list[Block]:
        """Return what versions before `banner.refusals` blocked, until `mark_blocks_moved` has been called."""
        ...

    def mark_blocks_moved(self) -> None:
        """Record that the topic has every block."""
        ...

    def product_image(self, image_key: str) -> tuple[Pixels, bool] | None:
        """Return (RGBA pixels, whether it is cut out) of a catalogue image, or None if it is missing.

        Raises:
            SpoiltObject: at every attempt its content was not what was stored.
        """
        ...
