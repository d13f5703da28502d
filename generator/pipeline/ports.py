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

Image = NDArray[np.uint8]
LightSide = Literal["left", "right", "above"]

_BLACK_BELOW = 8
"""Of 255."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Composition:
    """Where things go on one size: decided before painting, so that the painter keeps those places calm."""

    template: str
    size: BannerSize
    text: Box
    product: Box | None
    """Where the product stands, its foot on `ground_y`; None when the catalogue has no picture of it."""
    ground_y: float
    """Height of the surface that the product stands on."""
    right_to_left: bool
    aside: Box | None = None
    """Where price and button stand, when not with the words."""
    creative: Creative = field(default_factory=Creative)
    """The template that was asked for (a shape that lacks it has another), and the styles of headline and scene."""


@dataclass(frozen=True, slots=True)
class ProductImage:
    """The catalogue's picture of a product: cut out with its own alpha, or a whole photograph to be shown as a card."""

    pixels: Image
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
    """The product's, as its record writes it: some have a look of their own."""
    favourites: tuple[Favourite, ...] = ()
    """Products that the cohort looks at."""
    keywords: tuple[str, ...] = ()
    """Words of style to be put into the prompt as they are; a repeated word weighs more."""
    guidance_factor: float = 1.0
    """Factor on the painter's guidance: above 1, the words are followed more closely."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """How the scene's light throws the product's shadow."""

    length: float = 0.2
    """On the ground, of the product's height: short under a high sun."""
    softness: float = 1.0
    """1 is a window's; below, a sun's or spotlight's."""
    strength: float = 1.0


def is_black(pixels: Image) -> bool:
    """Tell whether no channel of any pixel is bright: what a safety checker or an overflow in half precision leaves."""
    return int(pixels.max()) < _BLACK_BELOW


@dataclass(frozen=True, slots=True)
class Painting:
    """A painted scene, ready for product and words to be laid over it."""

    pixels: Image
    """RGB, exactly the size asked for."""
    light_side: LightSide
    """Where the light comes from: the product's shadow falls the other way."""
    provenance: Provenance
    shadow: Shadow = field(default_factory=Shadow)
    holds_product: bool = False
    """The painter painted the product itself (mode `whole`): nothing is laid over."""


class Describer(Protocol):
    """Turns products into (subject, attributes, setting)."""

    @property
    def revision(self) -> str:
        """Name of the model and prompt: part of the key under which descriptions are kept."""
        ...

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order. Never raises for a strange title: falls back and says so."""
        ...


class CopyWriter(Protocol):
    """Writes the words of a banner."""

    def write(self, product: Product, cohort: Cohort, locale: str) -> BannerCopy:
        """Return headline, line and call to action, each built from facts of the product record."""
        ...


class Painter(Protocol):
    """Paints scenes."""

    def paint(self, scenes: Sequence[SceneRequest]) -> Sequence[Painting | PaintingFailed]:
        """Return one painting per scene, in order; in place of one that failed alone, why.

        Raises:
            PaintingFailed: all of them failed; the pipeline paints with the studio instead.
        """
        ...


Unfinished = Callable[[], Painting | PaintingFailed]
"""A picture as a model left it. Called once, on any thread, it returns the painting made of it, or why it is none."""


class BatchPainter(Protocol):
    """A painter whose model is quicker in batches: `generator.serving.PaintServer` forms them. One thread calls it."""

    def batch_key(self, scene: SceneRequest) -> Hashable:
        """Return what scenes must have in common to be painted in one call of the model: shape, adapter. Pure."""
        ...

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> Sequence[Unfinished | Painting | PaintingFailed]:
        """Return one picture per scene, in order, all of one batch key; in place of one that failed alone, why.

        What needs no model is left unfinished: the model waits for nobody who asked.

        Raises:
            OutOfMemory: there are too many for the memory; half of them are tried next.
            PaintingFailed: all of them failed.
        """
        ...


class Layout(Protocol):
    """Puts product and words where they go. The module `generator.layout` is one."""

    def plan(self, size: BannerSize, *, variant: str, seed: int, has_product: bool, locale: str) -> Composition:
        """Return where things will go on one size. Called before painting."""
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
    """Writes a banner as files. The function `generator.encoding.encode` is one."""

    def __call__(self, pixels: Image, size: BannerSize) -> "tuple[EncodedImage, ...]":
        """Return the banner in every file format that is offered.

        Raises:
            OverByteCap: it cannot be made to fit the size's cap.
        """
        ...


class Judge(Protocol):
    """Scores a finished banner."""

    def judge(self, banner: "ComposedBanner", painting: Painting, encoded_bytes: int) -> tuple[GateScore, ...]:
        """Return one score per gate."""
        ...


@dataclass(frozen=True, slots=True)
class ComposedBanner:
    """A banner laid out: the picture and where its parts ended up."""

    pixels: Image
    """RGB."""
    composition: Composition
    text_lines: tuple["PlacedText", ...]
    product: Box | None
    """The product's visible pixels, None where there is none."""


class NudityClassifier(Protocol):
    """Looks for nudity in a picture. `generator.safety.nudity.TransformersNudity` is one."""

    def probability(self, pixels: Image) -> float:
        """Return how likely an RGB picture shows nudity, 0 to 1. May be called from several threads.

        Raises:
            PainterUnavailable: the model hangs.
        """
        ...


class Screen(Protocol):
    """Decides of which products no banner may be made."""

    def by_words(self, product: Product) -> str | None:
        """Return why the product's words block it, or None."""
        ...

    def by_picture(self, image: ProductImage) -> str | None:
        """Return why the product's picture blocks it, or None.

        Raises:
            NotScreened: it cannot be looked at now.
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
    """Of the ink: nothing of these letters lies outside."""
    colour: str
    """sRGB hex of the letters."""
    font_size: float
    bold: bool
    """With the size it says what contrast WCAG asks for: large letters need less."""


class BannerStore(Protocol):
    """Where banners are kept. `storage.S3BannerStore` is the real one. Every method blocks; call it from a thread."""

    def manifest(self, banner_key: str) -> Manifest | None:
        """Return the manifest of a banner, or None if it was never made."""
        ...

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest and return its object key. Its blobs must be there."""
        ...

    def put_blob(self, content: bytes, media_type: str) -> str:
        """Store an immutable blob under its hash, unless it is there, and return its object key."""
        ...

    def description(self, description_key: str) -> Description | None:
        """Return a kept description, or None."""
        ...

    def put_description(self, description_key: str, description: Description) -> None:
        """Keep a description."""
        ...

    def block(self, product_id: str) -> Block | None:
        """Return what says that a product is blocked, or None if it never was."""
        ...

    def put_block(self, block: Block) -> None:
        """Keep a block; it replaces that of the product's earlier revision."""
        ...

    def product_image(self, image_key: str) -> tuple[Image, bool] | None:
        """Return (RGBA pixels, whether it is cut out) of a catalogue image, or None if there is none."""
        ...
