"""Paints one banner into a file, without any server: the core of `bannerstream paint`."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from bannerstream.contracts.catalog import Cohort, Favourite, Product, with_rev
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.messages import BannerRequest
from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.generator.assembly import Models, build_composer
from bannerstream.generator.pipeline.composer import ComposedSet, Picture
from bannerstream.generator.pipeline.ports import Describer, ProductImage
from bannerstream.settings import GeneratorSettings
from bannerstream.storage.image_ingest import ingest
from bannerstream.storage.pictures import decode_picture

_MEDIA_TYPES = {".webp": "image/webp", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class PaintedOnce:
    """One size of a banner, with its request and its provenance."""

    request: BannerRequest
    composed: ComposedSet

    @property
    def picture(self) -> Picture:
        """Return the picture in the requested size."""
        (picture,) = self.composed.pictures
        return picture

    def save(self, path: Path) -> None:
        """Write the banner: WebP and JPEG as the generator would publish them, PNG from the WebP.

        Raises:
            ConfigurationError: the file has another ending, or cannot be written.
        """
        ending = path.suffix.lower()
        if ending not in {*_MEDIA_TYPES, ".png"}:
            raise ConfigurationError(f"{path}: write to .webp, .jpg or .png, for example banner.webp")
        media_type = _MEDIA_TYPES.get(ending, "image/webp")
        content = next(file.content for file in self.picture.files if file.media_type == media_type)
        try:
            if ending == ".png":
                Image.open(BytesIO(content)).save(path)
            else:
                path.write_bytes(content)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error}") from error

    def lineage(self) -> dict[str, Any]:
        """Return the banner's lineage in the fields of a manifest."""
        composed = self.composed
        return {
            "banner_key": self.request.banner_key,
            "size": self.picture.size.name,
            "template": self.picture.template,
            "seed": composed.seed,
            "description": msgspec.to_builtins(composed.description),
            "words": msgspec.to_builtins(composed.words),
            "provenance": msgspec.to_builtins(composed.provenance),
            "gates": msgspec.to_builtins(self.picture.gates),
            "stage_ms": composed.stage_ms,
            "rejected": msgspec.to_builtins(composed.rejected),
        }

    def summary(self) -> str:
        """Return one line for a person."""
        description, provenance = self.composed.description, self.composed.provenance
        failed = [score.gate for score in self.picture.gates if not score.passed]
        line = f"{description.subject} in {description.setting}, {self.picture.size.name}, by {provenance.painter}"
        line += f" (a fallback: {provenance.fallback_reason})" if provenance.fallback_reason else ""
        return f"{line}; {'gates failed: ' + ', '.join(failed) if failed else 'every gate passed'}"


def paint_once(
    settings: GeneratorSettings,
    product: Product,
    cohort: Cohort,
    *,
    picture: Path | None = None,
    size: BannerSize = SIZES[0],
    variant: str = "a",
    setting: str | None = None,
    favourites: Sequence[Favourite] = (),
    models: Models | None = None,
) -> PaintedOnce:
    """Return one size of a banner, made as the generator would make it; `setting` overrides the describer's.

    `favourites` are the cohort's top products; `models` holds the settings' models, where they are loaded already.

    Raises:
        ConfigurationError: a model cannot be loaded, or `picture` cannot be read.
        BrokenImage: `picture` is not a usable picture.
        NoFontForScript: no installed font has the letters of the words.
    """
    product, cohort = with_rev(product), with_rev(cohort)
    top_products = tuple(favourites)
    key = banner_key(
        product,
        cohort,
        locale=product.locale,
        variant=variant,
        creative_revision=settings.creative_revision,
        favourites=top_products,
    )
    now_ms = time.time_ns() // 1_000_000
    request = BannerRequest(
        banner_key=key,
        product=product,
        cohort=cohort,
        locale=product.locale,
        variant=variant,
        creative_revision=settings.creative_revision,
        requested_at=now_ms,
        event_appended_at=now_ms,
        favourites=top_products,
    )
    with ThreadPoolExecutor(1) as executor:
        composer = build_composer(
            settings,
            executor,
            sizes=(size,),
            models=models,
        )
        if setting is not None:
            composer.describer = _InSetting(composer.describer, setting)
        return PaintedOnce(request, composer.compose(request, product_image(picture) if picture is not None else None))


class _InSetting:
    """A describer that puts every product into one setting."""

    def __init__(self, describer: Describer, setting: str) -> None:
        self._describer = describer
        self._setting = setting
        self.revision = f"{describer.revision}+{setting}"

    def describe(self, products: Sequence[Product]) -> list[Description]:
        return [
            msgspec.structs.replace(description, setting=self._setting)
            for description in self._describer.describe(products)
        ]


def product_image(picture: Path) -> ProductImage:
    """Return a product's picture as the catalogue stores it.

    Raises:
        ConfigurationError: the file cannot be read.
        BrokenImage: the file is not a usable picture.
    """
    try:
        content = picture.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the product's picture {picture} cannot be read: {error}") from error
    ingested = ingest(content)
    pixels, _ = decode_picture(ingested.png)
    return ProductImage(pixels, ingested.cut_out)
