"""The catalogue as a shop shows it: titles without the brand, prices as people write them, pictures for the web."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from bannerstream.catalog.folder import CatalogueFolder
from bannerstream.contracts.catalog import Cohort, Product

PICTURE_PX = 640
"""Longest side of a product's picture: sharp on the product's page of a phone of twice the density."""

_SYMBOLS = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}


@dataclass(frozen=True, slots=True)
class Good:
    """One product on a shelf."""

    product: Product
    title: str
    """Without the brand in front: that stands above it."""
    cohort: Cohort
    """Where it belongs most: gives its card the ground colour."""
    price: str
    was: str
    picture: Path | None


class Goods:
    """All products of a catalogue folder, in its order."""

    def __init__(self, catalogue: CatalogueFolder) -> None:
        self.cohorts: Mapping[str, Cohort] = {each.cohort_id: each for each in catalogue.cohorts}
        self._by_id = {
            product.product_id: _good(product, self.cohorts, catalogue.images.get(product.product_id))
            for product in catalogue.products
        }

    def __iter__(self) -> Iterator[Good]:
        return iter(self._by_id.values())

    def get(self, product_id: str) -> Good | None:
        """Return a product, None where there is no such."""
        return self._by_id.get(product_id)

    def title(self, product_id: str) -> str:
        """Return what a product is called in a sentence, shortly."""
        good = self.get(product_id)
        return product_id if good is None else short_title(good.title)

    def categories(self) -> list[str]:
        """Return every category once, in the catalogue's order."""
        return list(dict.fromkeys(good.product.category for good in self))

    def like(self, good: Good, count: int) -> list[Good]:
        """Return the products that share most of this one's cohorts, the likest first."""

        def likeness(other: Good) -> float:
            mine, theirs = good.product.cohorts, other.product.cohorts
            return sum(min(weight, theirs.get(cohort_id, 0.0)) for cohort_id, weight in mine.items())

        others = [each for each in self if each is not good]
        return sorted(others, key=likeness, reverse=True)[:count]


def short_title(title: str) -> str:
    """Return a title up to where a shop's title begins to list sizes and colours."""
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


def _good(product: Product, cohorts: Mapping[str, Cohort], picture: Path | None) -> Good:
    brand, price = product.brand or "", product.price
    bare = product.title.removeprefix(brand).strip()
    if brand and product.title.casefold().startswith(brand.casefold()):
        bare = product.title[len(brand) :].strip()
    return Good(
        product=product,
        title=bare or product.title,
        cohort=cohorts[max(product.cohorts, key=lambda each: product.cohorts[each])],
        price="" if price is None else money(price.amount, price.currency),
        was="" if price is None or price.was is None else money(price.was, price.currency),
        picture=picture,
    )


def money(amount: str, currency: str) -> str:
    """Return an amount with its currency in front; whole thousands are set off."""
    whole, _, fraction = amount.partition(".")
    grouped = f"{int(whole):,}" + (f".{fraction}" if fraction else "")
    return f"{_SYMBOLS[currency]}{grouped}" if currency in _SYMBOLS else f"{currency} {grouped}"
