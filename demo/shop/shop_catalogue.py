"""The catalogue as the shop shows it: titles without the brand, formatted prices, pictures for the web."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from bannerstream.catalog.folder import CatalogueFolder
from bannerstream.contracts.catalog import Cohort, Product

PICTURE_PX = 640
"""Longest side of a product's picture: sharp on a phone with two pixels per point."""

_SYMBOLS = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}


@dataclass(frozen=True, slots=True)
class ShopItem:
    """One product as the shop shows it."""

    product: Product
    title: str
    """Without the leading brand, which is shown above it."""
    cohort: Cohort
    """The cohort with the highest weight, which sets the card's background colour."""
    price: str
    was: str
    picture: Path | None


class ShopCatalogue:
    """All products of a catalogue folder, in its order."""

    def __init__(self, catalogue: CatalogueFolder) -> None:
        self.cohorts: Mapping[str, Cohort] = {cohort.cohort_id: cohort for cohort in catalogue.cohorts}
        self._by_id = {
            product.product_id: _shop_item(product, self.cohorts, catalogue.images.get(product.product_id))
            for product in catalogue.products
        }

    def __iter__(self) -> Iterator[ShopItem]:
        return iter(self._by_id.values())

    def get(self, product_id: str) -> ShopItem | None:
        """Return a product, or None for an unknown id."""
        return self._by_id.get(product_id)

    def title(self, product_id: str) -> str:
        """Return a product's short title for use in a sentence."""
        item = self.get(product_id)
        return product_id if item is None else short_title(item.title)

    def categories(self) -> list[str]:
        """Return every category once, in the catalogue's order."""
        return list(dict.fromkeys(item.product.category for item in self))

    def similar(self, item: ShopItem, count: int) -> list[ShopItem]:
        """Return the products most similar by cohort weights, the most similar first."""

        def similarity(other: ShopItem) -> float:
            mine, theirs = item.product.cohorts, other.product.cohorts
            return sum(min(weight, theirs.get(cohort_id, 0.0)) for cohort_id, weight in mine.items())

        others = [other for other in self if other is not item]
        return sorted(others, key=similarity, reverse=True)[:count]


def short_title(title: str) -> str:
    """Return a title up to its first detail such as size or colour."""
    for mark in (" – ", " | ", ", ", " (", " / ", " - "):
        title = title.split(mark, maxsplit=1)[0]
    return title


@lru_cache(maxsize=512)
def picture_webp(file: Path) -> bytes:
    """Return a product's picture as WebP, `PICTURE_PX` on its longer side."""
    with Image.open(file) as picture:
        picture.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=86, method=4)
    return buffer.getvalue()


def _shop_item(product: Product, cohorts: Mapping[str, Cohort], picture: Path | None) -> ShopItem:
    brand, price = product.brand or "", product.price
    has_brand = product.title.casefold().startswith(brand.casefold())
    bare = product.title[len(brand) :].strip() if has_brand else product.title
    return ShopItem(
        product=product,
        title=bare or product.title,
        cohort=cohorts[max(product.cohorts, key=lambda cohort_id: product.cohorts[cohort_id])],
        price="" if price is None else money(price.amount, price.currency),
        was="" if price is None or price.was is None else money(price.was, price.currency),
        picture=picture,
    )


def money(amount: str, currency: str) -> str:
    """Format an amount with its currency in front and thousands separators."""
    whole, _, fraction = amount.partition(".")
    grouped = f"{int(whole):,}" + (f".{fraction}" if fraction else "")
    return f"{_SYMBOLS[currency]}{grouped}" if currency in _SYMBOLS else f"{currency} {grouped}"
