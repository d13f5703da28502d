"""Judges of finished banners, on a studio banner of the example catalogue."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.keys import manifest_object_key
from bannerstream.contracts.manifest import PersonalStyle
from bannerstream.contracts.messages import Rendition
from bannerstream.contracts.sizes import RECTANGLE
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator.paint_once import paint_once, product_image
from bannerstream.generator.pipeline.pipeline import manifest_of
from bannerstream.generator.pipeline.ports import Pixels, ProductImage
from bannerstream.lab.evaluation.banners import Judges, Shop, evaluate_banners
from bannerstream.lab.evaluation.exported import ExportedBanner, read_exported
from bannerstream.lab.evaluation.quality import Brisque
from bannerstream.settings import GeneratorSettings
from bannerstream.storage.fakes import MemoryBannerStore

PRODUCT = "mug-stoneware-terracotta"


class LevelOfGrey:
    """Stands in for BRISQUE where its figure does not matter."""

    def score(self, pixels: Pixels) -> float:
        """Return the mean of all pixels."""
        return float(pixels.mean())


@pytest.fixture(scope="module")
def shop() -> Shop:
    found = read_catalogue(CATALOGUE)
    return Shop({PRODUCT: product_image(found.images[PRODUCT])}, {cohort.cohort_id: cohort for cohort in found.cohorts})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one banner, as `banners export` leaves it."""
    found = read_catalogue(CATALOGUE)
    product = next(each for each in found.products if each.product_id == PRODUCT)
    once = paint_once(GeneratorSettings(), product, found.cohorts[0], picture=found.images[PRODUCT], size=RECTANGLE)
    store, into = MemoryBannerStore(), tmp_path_factory.mktemp("exported")
    made = [
        (picture.size, file, store.put_blob(file.content, file.media_type))
        for picture in once.composed.pictures
        for file in picture.files
    ]
    renditions = tuple(
        Rendition(
            size=size.name,
            blob_key=key,
            width=size.width,
            height=size.height,
            bytes=len(file.content),
            sha256=key.rpartition("/")[2].partition(".")[0],
            media_type=file.media_type,
        )
        for size, file, key in made
    )
    manifest = manifest_of(once.request, once.composed, renditions, created_at=1, revision=1)
    written = store.objects | {manifest_object_key(manifest.banner_key): encode(manifest)}
    for key, content in written.items():
        (into / key).parent.mkdir(parents=True, exist_ok=True)
        (into / key).write_bytes(content)
    return into


def test_a_folder_is_read_from_above_too_and_a_limit_is_kept(folder: Path) -> None:
    (banner,) = read_exported(folder.parent, limit=1)
    (picture,) = banner.pictures()
    assert picture[1].shape == (RECTANGLE.height, RECTANGLE.width, 3)


def test_a_folder_without_manifests_says_how_to_fill_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="banners export"):
        read_exported(tmp_path)


def test_a_blob_that_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    (banner,) = read_exported(folder)
    with pytest.raises(ConfigurationError, match="blobs/"):
        list(ExportedBanner(banner.manifest, tmp_path).pictures())


def test_a_banner_with_another_product_is_less_faithful(folder: Path, shop: Shop) -> None:
    judges = Judges(LevelOfGrey(), why_not={"lpips": "no model"})
    report = evaluate_banners(read_exported(folder), shop, judges)
    own = report.rows[0]
    upside_down = ProductImage(np.ascontiguousarray(shop.products[PRODUCT].pixels[::-1]), cut_out=True)
    turned = Shop({PRODUCT: upside_down}, shop.cohorts)
    other = evaluate_banners(read_exported(folder), turned, judges).rows[0]
    assert isinstance(own["fidelity"], float)
    assert isinstance(other["fidelity"], float)
    assert own["fidelity"] > 0.9 > other["fidelity"]
    assert isinstance(own["contrast"], float)
    assert own["contrast"] >= 4.5
    assert own["lpips"] is own["clip_score"] is None
    assert report.notes["lpips"] == "no model"


def test_a_product_without_a_picture_is_told(folder: Path, shop: Shop) -> None:
    report = evaluate_banners(read_exported(folder), Shop({}, shop.cohorts), Judges(), each=True)
    assert report.rows[0]["fidelity"] is None
    assert PRODUCT in report.notes["fidelity"]


class Reads:
    """Replaces CLIP: a text with one of these words has similarity 1, any other 0."""

    name = "reads"

    def __init__(self, *words: str) -> None:
        self._words = words

    def similarities(self, pictures: Sequence[Pixels], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return 1 or 0 per text, the same for every picture."""
        return np.array(
            [[float(any(word in text for word in self._words)) for text in texts]] * len(pictures), np.float32
        )


def in_style(banner: ExportedBanner, style: PersonalStyle) -> ExportedBanner:
    provenance = structs.replace(banner.manifest.provenance, personal=style)
    return ExportedBanner(structs.replace(banner.manifest, provenance=provenance), banner.folder)


@pytest.mark.parametrize(("word", "figure"), [("rattan", "d_p"), ("driftwood", "d_t")])
def test_a_personal_banner_is_compared_with_the_keywords_that_it_was_painted_by(
    folder: Path, word: str, figure: str
) -> None:
    (banner,) = read_exported(folder)
    style = PersonalStyle(
        alpha=0.5,
        preference=("rattan", "airy"),
        target=("driftwood",),
        preference_repeats=1,
        target_repeats=1,
        guidance=1.0,
        candidates=1,
    )
    row = evaluate_banners([in_style(banner, style)], Shop({}, {}), Judges(likeness=Reads(word))).rows[0]
    assert row == row | {"d_p": 0.5, "d_t": 0.5, "clip_score": 0.0} | {figure: 1.0}


def test_another_banner_is_compared_with_its_cohort_and_its_product(folder: Path, shop: Shop) -> None:
    (banner,) = read_exported(folder)
    cohort = shop.cohorts[banner.manifest.cohort_id]
    liked = evaluate_banners([banner], shop, Judges(likeness=Reads(cohort.light))).rows[0]
    assert liked == liked | {"d_p": 1.0, "d_t": 0.5}
    shown = evaluate_banners([banner], Shop({}, {}), Judges(likeness=Reads(banner.manifest.description.subject))).rows[
        0
    ]
    assert shown == shown | {"d_p": None, "d_t": 1.0, "clip_score": 2.5}


def test_brisque_finds_a_blurred_noisy_picture_worse(folder: Path) -> None:
    pytest.importorskip("brisque", reason="needs the [evaluate] extra")
    (banner,) = read_exported(folder)
    ((_, pixels),) = banner.pictures()
    pixels = pixels[:128, :128]
    noise = np.random.default_rng(1).normal(0, 40, pixels.shape)
    spoilt = np.clip(cv2.GaussianBlur(pixels, (0, 0), 4) + noise, 0, 255).astype(np.uint8)
    assert Brisque().score(spoilt) > Brisque().score(pixels)
