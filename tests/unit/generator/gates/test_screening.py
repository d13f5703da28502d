"""Products are screened by every text and by their picture; what a model writes is screened too."""

from collections.abc import Sequence

import numpy as np
import pytest

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.manifest import Description
from bannerstream.generator.errors import ModelHung, NotScreened
from bannerstream.generator.gates.screening import OpenScreen, ProductScreen, ScreenedDescriber
from bannerstream.generator.gates.skin import skin_share
from bannerstream.generator.gates.words import BlockedWords
from bannerstream.generator.pipeline.fakes import FakeDescriber
from bannerstream.generator.pipeline.ports import Pixels, ProductImage

WORDS = BlockedWords(["gun"])
MUG = Product(product_id="p1", title="Stoneware Mug", category="kitchen", cohorts={"cosy": 1.0})


class Classifier:
    """Calls what is red nude, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def probability(self, pixels: Pixels) -> float:
        self.asked += 1
        assert pixels.shape[2] == 3
        return float(pixels[..., 0].mean() > pixels[..., 1].mean() + 50)


def picture(colour: tuple[int, int, int], alpha: int = 255) -> ProductImage:
    return ProductImage(np.full((8, 8, 4), (*colour, alpha), np.uint8), cut_out=True)


def product(**texts: object) -> Product:
    return Product(**{"product_id": "p", "title": "Mug", "category": "kitchen", "cohorts": {"a": 1.0}} | texts)


def test_every_text_of_a_product_is_read() -> None:
    screen = ProductScreen(WORDS)
    assert screen.by_words(MUG) is None
    for texts in (
        {"title": "Gun"},
        {"brand": "Gun & Co"},
        {"description": "like a gun"},
        {"highlights": ("a", "gun")},
        {"category": "gun"},
    ):
        assert screen.by_words(product(**texts)) == "its record holds the blocked word 'gun'"


def test_a_picture_is_classified_once_and_on_white() -> None:
    classifier = Classifier()
    screen = ProductScreen(nudity=classifier)
    for _ in range(3):
        assert screen.by_picture(picture((200, 0, 0))) is not None
        assert screen.by_picture(picture((200, 0, 0), alpha=0)) is None  # nothing of it is to be seen
    assert classifier.asked == 2


def test_a_picture_that_was_not_looked_at_waits_and_one_that_was_does_not() -> None:
    class Hangs(Classifier):
        hung = False

        def probability(self, pixels: Pixels) -> float:
            if self.hung:
                raise ModelHung("the classifier hung")
            return super().probability(pixels)

    classifier = Hangs()
    screen = ProductScreen(nudity=classifier)
    assert screen.by_picture(picture((0, 0, 200))) is None
    classifier.hung = True
    assert screen.by_picture(picture((0, 0, 200))) is None
    with pytest.raises(NotScreened, match="the classifier hung"):
        screen.by_picture(picture((0, 200, 0)))
    assert issubclass(NotScreened, ServiceUnavailable), "the worker waits, and buries no request"


def test_without_words_or_a_classifier_nothing_is_blocked() -> None:
    for screen in (ProductScreen(), OpenScreen()):
        assert screen.by_words(product(title="gun")) is None
        assert screen.by_picture(picture((200, 0, 0))) is None


def test_a_description_with_a_blocked_word_is_replaced_and_says_so() -> None:
    class Writer(FakeDescriber):
        def describe(self, products: Sequence[Product]) -> list[Description]:
            return [
                Description(
                    subject="mug",
                    attributes=("gun" if product.product_id == "bad" else "blue",),
                    setting="k",
                    describer="w",
                )
                for product in products
            ]

    describer = ScreenedDescriber(Writer(), FakeDescriber("lexicon@1"), WORDS)
    good, bad = describer.describe([MUG, product(product_id="bad", title="Tin Mug")])
    assert (good.describer, good.fallback_reason) == ("w", None)
    assert (bad.describer, bad.fallback_reason) == ("lexicon@1", "the describer wrote the blocked word 'gun'")
    assert describer.revision == "fake@1"


def test_skin_is_told_from_blue_but_not_from_wood() -> None:
    assert skin_share(np.full((4, 4, 3), (224, 172, 140), np.uint8)) == 1
    assert skin_share(np.full((4, 4, 3), (60, 90, 200), np.uint8)) == 0
    assert skin_share(np.full((4, 4, 3), (190, 140, 100), np.uint8)) == 1, "oak passes for skin: a hint, no classifier"
