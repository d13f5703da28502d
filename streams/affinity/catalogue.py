"""An immutable snapshot of the catalogue, with the lookups that the core needs."""

import copy
from collections.abc import Iterable, Mapping, Set
from typing import Self

from bannerstream.contracts.catalog import Cohort, Favourite, Product
from bannerstream.contracts.keys import banner_key
from bannerstream.streams.affinity.state import FINGERPRINT_BYTES, ONLY_VARIANT

FAVOURITES = 6
"""Products that represent a cohort's taste: PMG's prompts name about as many, and more make requests longer."""
MAX_FAVOURITE_TITLE = 120
"""Characters, as in the contract: the start of a title names the product."""


class Catalogue:
    """Products and cohorts at one moment. Immutable; a changed catalogue is a new snapshot.

    `favourites` is the number of a cohort's products in its requests; they are part of its banners' keys.
    A product may name a cohort that the catalogue does not hold (yet); that cohort is ignored.
    A product that can have no banner is in the catalogue, so that its events count, and not on offer: `holds` and
    `shelf` leave it out, and no fingerprint of it is ever in `banner_fingerprints` or `current_fingerprints`.
    """

    def __init__(
        self,
        products: Iterable[Product],
        cohorts: Iterable[Cohort],
        *,
        creative_revision: str,
        favourites: int = 0,
    ) -> None:
        self.products: Mapping[str, Product] = {product.product_id: product for product in products}
        self.cohorts: Mapping[str, Cohort] = {cohort.cohort_id: cohort for cohort in cohorts}
        self.creative_revision = creative_revision
        self.all_memberships: Mapping[str, Mapping[str, float]] = {
            product.product_id: {cohort: weight for cohort, weight in product.cohorts.items() if cohort in self.cohorts}
            for product in self.products.values()
        }
        """By product, as `memberships` returns them."""
        shelves: dict[str, list[tuple[float, str]]] = {cohort: [] for cohort in self.cohorts}
        for product_id, memberships in self.all_memberships.items():
            for cohort_id, weight in memberships.items():
                shelves[cohort_id].append((-weight, product_id))
        self._shelves = {
            cohort: tuple(product_id for _, product_id in sorted(shelf)) for cohort, shelf in shelves.items()
        }
        self._offered_shelves: dict[str, tuple[str, ...]] = {}
        self._favourite_count = favourites
        self._favourites: dict[str, tuple[Favourite, ...]] = {}
        self._banner_keys: dict[tuple[str, str, str], str] = {}
        self.refused: Set[str] = frozenset()
        """Products of the catalogue that can have no banner."""
        self.banner_fingerprints: dict[tuple[str, str, str], int] = {}
        """By (product, cohort, variant): every fingerprint that `banner_fingerprint` has returned."""
        self.current_fingerprints: set[int] = set()
        """Fingerprints that `banner_fingerprint` has returned: a decision with one of them has its current banner key.
        Not those of all banners, whose hashes would take minutes for a large shop."""

    def without(self, refused: Set[str]) -> Self:
        """Return a snapshot of the same catalogue in which exactly these products are not on offer.

        Shares products, memberships and banner keys with this one: it costs a pass over the fingerprints, no hash.
        """
        other = copy.copy(self)
        other.refused = frozenset(refused & self.products.keys())
        other._offered_shelves = {}  # noqa: SLF001  (its own class)
        other.banner_fingerprints = {
            place: fingerprint for place, fingerprint in self.banner_fingerprints.items() if place[0] not in refused
        }
        other.current_fingerprints = set(other.banner_fingerprints.values())
        return other

    def memberships(self, product_id: str) -> Mapping[str, float] | None:
        """Return the known cohorts of a product with their weights, or None for an unknown product."""
        return self.all_memberships.get(product_id)

    def holds(self, product_id: str, cohort_id: str) -> bool:
        """Return whether this product is on offer in this cohort."""
        return product_id not in self.refused and cohort_id in self.all_memberships.get(product_id, ())

    def shelf(self, cohort_id: str) -> tuple[str, ...]:
        """Return the products that are on offer in a cohort, most typical first."""
        shelf = self._offered_shelves.get(cohort_id)
        if shelf is None:
            whole = self._shelves.get(cohort_id, ())
            shelf = tuple(product_id for product_id in whole if product_id not in self.refused)
            self._offered_shelves[cohort_id] = shelf
        return shelf

    def favourites(self, cohort_id: str) -> tuple[Favourite, ...]:
        """Return a cohort's favourite products, as its requests name them.

        Products that are not on offer count, too: favourites are part of banner keys, and a refusal repaints nothing.
        """
        found = self._favourites.get(cohort_id)
        if found is None:
            shelf = map(self.products.__getitem__, self._shelves.get(cohort_id, ())[: self._favourite_count])
            found = tuple(
                Favourite(title=product.title[:MAX_FAVOURITE_TITLE], category=product.category, locale=product.locale)
                for product in shelf
            )
            self._favourites[cohort_id] = found
        return found

    def banner_key(self, product_id: str, cohort_id: str, variant: str = ONLY_VARIANT) -> str:
        """Return the current key of the banner that shows this product to this cohort in this variant.

        Raises:
            KeyError: the product or the cohort is not in the catalogue.
        """
        place = (product_id, cohort_id, variant)
        key = self._banner_keys.get(place)
        if key is None:
            product = self.products[product_id]
            key = banner_key(
                product,
                self.cohorts[cohort_id],
                locale=product.locale,
                variant=variant,
                creative_revision=self.creative_revision,
                favourites=self.favourites(cohort_id),
            )
            self._banner_keys[place] = key
        return key

    def banner_fingerprint(self, product_id: str, cohort_id: str, variant: str = ONLY_VARIANT) -> int:
        """Return the first 64 bits of that key, which a decision stores.

        Raises:
            KeyError: the product or the cohort is not in the catalogue, or the product is not on offer.
        """
        if product_id in self.refused:
            raise KeyError(product_id)
        place = (product_id, cohort_id, variant)
        fingerprint = self.banner_fingerprints.get(place)
        if fingerprint is None:
            fingerprint = self.banner_fingerprints[place] = int(self.banner_key(*place)[: 2 * FINGERPRINT_BYTES], 16)
            self.current_fingerprints.add(fingerprint)
        return fingerprint
