"""Screens products before any banner is made, and the descriptions that a language model writes of them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
import structlog
from msgspec.structs import replace

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.errors import NotScreened, PainterUnavailable
from bannerstream.generator.gates.words import BlockedWords
from bannerstream.generator.pipeline.ports import Describer, NudityClassifier, Pixels, ProductImage

log = structlog.get_logger(__name__)

_REMEMBERED = 4096
"""Cached verdicts: every cohort requests a product's banner, and its picture is the same each time."""
_WHITE = 255


class OpenScreen:
    """Blocks nothing; implements `generator.pipeline.ports.Screen`."""

    def by_words(self, product: Product) -> str | None:  # noqa: ARG002  (the port's)
        """Return None."""
        return None

    def by_picture(self, image: ProductImage) -> str | None:  # noqa: ARG002  (the port's)
        """Return None."""
        return None


class ProductScreen:
    """Blocks products by their words and by their pictures; implements `generator.pipeline.ports.Screen`.

    `threshold` is the probability from which a picture counts as nude. Thread-safe.
    """

    def __init__(
        self, words: BlockedWords | None = None, nudity: NudityClassifier | None = None, *, threshold: float = 0.5
    ) -> None:
        self._words = words or BlockedWords(())
        self._nudity = nudity
        self._threshold = threshold
        self._verdicts: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def by_words(self, product: Product) -> str | None:
        """Return why the product's words block it, or None. Checks every text that a banner or a prompt may show."""
        found = self._words.found(words_of(product))
        return f"its record holds the blocked word {found!r}" if found else None

    def by_picture(self, image: ProductImage) -> str | None:
        """Return why the product's picture blocks it, or None.

        Raises:
            NotScreened: the classifier is unavailable, and the picture's verdict is not cached.
        """
        if self._nudity is None:
            return None
        try:
            probability = self._probability(on_white(image.pixels), self._nudity.probability)
        except PainterUnavailable as error:
            raise NotScreened(f"a product's picture cannot be classified: {error}") from error
        if probability < self._threshold:
            return None
        return f"its picture shows nudity by the classifier ({probability:.2f}, from {self._threshold:g} on)"

    def _probability(self, pixels: Pixels, classify: Callable[[Pixels], float]) -> float:
        key = blake2b(pixels.tobytes(), digest_size=16).digest()
        with self._lock:
            known = self._verdicts.get(key)
        if known is not None:
            return known
        probability = classify(pixels)
        with self._lock:
            self._verdicts[key] = probability
            if len(self._verdicts) > _REMEMBERED:
                self._verdicts.popitem(last=False)
        return probability


class ScreenedDescriber:
    """A describer without blocked words: where it writes one, the fallback describes the product instead.

    Implements `generator.pipeline.ports.Describer`. A model may write words that the record does not hold.
    """

    def __init__(self, describer: Describer, fallback: Describer, words: BlockedWords) -> None:
        self._describer = describer
        self._fallback = fallback
        self._words = words

    @property
    def revision(self) -> str:
        """The describer's revision: blocked words do not change the key."""
        return self._describer.revision

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order."""
        described = self._describer.describe(products)
        return list(map(self._screened, described, products))

    def _screened(self, description: Description, product: Product) -> Description:
        found = self._words.found([description.subject, *description.attributes, description.setting])
        if found is None:
            return description
        log.warning("description_blocked", product_id=product.product_id, word=found)
        (described_by_fallback,) = self._fallback.describe([product])
        return replace(described_by_fallback, fallback_reason=f"the describer wrote the blocked word {found!r}")


def words_of(product: Product) -> list[str]:
    """Return every text of a product that may reach a banner or a model."""
    texts = [product.title, product.brand, product.description, product.category, *product.highlights]
    return [text for text in texts if text]


def on_white(pixels: Pixels) -> Pixels:
    """Return an RGBA picture over white, as RGB."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    flat: Pixels = (pixels[..., :3] * alpha + _WHITE * (1 - alpha) + 0.5).astype(np.uint8)
    return flat
