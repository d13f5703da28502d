"""Which products can have no banner, as far as generators have found: the reader's side of `banner.refusals`."""

from collections.abc import Mapping
from typing import Protocol

from bannerstream.contracts.keys import refusal_key
from bannerstream.contracts.messages import ALL_LOCALES, Refusal

GATE_CODES = frozenset({"words", "picture"})
"""Codes of gates: such a product must not be shown, not even on a banner that was made before."""


class Offered(Protocol):
    """A product of the catalogue, or as much of it as a reader keeps."""

    @property
    def rev(self) -> str | None:
        """Return its revision."""

    @property
    def locale(self) -> str:
        """Return the language of its banners."""


def refusal_of(refusals: Mapping[str, Refusal], product_id: str, rev: str, locale: str) -> Refusal | None:
    """Return the refusal that holds for this revision of a product in this locale, or None.

    `refusals` maps `contracts.keys.refusal_key` to the newest refusal under that key.
    """
    for scope in (ALL_LOCALES, locale):
        refusal = refusals.get(refusal_key(product_id, scope))
        if refusal is not None and refusal.rev == rev:
            return refusal
    return None


def refused_now(products: Mapping[str, Offered], refusals: Mapping[str, Refusal]) -> dict[str, Refusal]:
    """Return the refusals that hold for the present revisions of products, by product id. Costs a pass over refusals.

    Refusals of other revisions, and of products that left the catalogue, are passed over.
    """
    found: dict[str, Refusal] = {}
    for product_id in {refusal.product_id for refusal in refusals.values()}:
        product = products.get(product_id)
        if product is not None and product.rev is not None:
            refusal = refusal_of(refusals, product_id, product.rev, product.locale)
            if refusal is not None:
                found[product_id] = refusal
    return found
