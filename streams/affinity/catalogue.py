"""What the core needs to know of the catalogue, as one immutable snapshot."""

from collections.abc import Iterable, Mapping

from contracts.catalog import Cohort, Product
from contracts.keys import banner_key

VARIANT = "a"
"""The only variant until experiments run (DESIGN.md §4)."""


class Catalogue:
    """Products and cohorts at one moment. Never changes; a changed catalogue is a new snapshot.

    A product may name a cohort that the catalogue does not hold (yet): that cohort counts as not named.
    """

    def __init__(self, products: Iterable[Product], cohorts: Iterable[Cohort], *, creative_revision: str) -> None:
        self.products: Mapping[str, Product] = {each.product_id: each for each in products}
        self.cohorts: Mapping[str, Cohort] = {each.cohort_id: each for each in cohorts}
        self.creative_revision = creative_revision
        self._memberships = {
            product.product_id: {cohort: weight for cohort, weight in product.cohorts.items() if cohort in self.cohorts}
            for product in self.products.values()
        }
        shelves: dict[str, list[tuple[float, str]]] = {cohort: [] for cohort in self.cohorts}
        for product_id, memberships in self._memberships.items():
            for cohort_id, weight in memberships.items():
                shelves[cohort_id].append((-weight, product_id))
        self._shelves = {cohort: tuple(each for _, each in sorted(shelf)) for cohort, shelf in shelves.items()}
        self._banner_keys: dict[tuple[str, str], str] = {}

    def memberships(self, product_id: str) -> Mapping[str, float] | None:
        """Return the known cohorts of a product with their weights, or None for an unknown product."""
        return self._memberships.get(product_id)

    def holds(self, product_id: str, cohort_id: str) -> bool:
        """Return whether the catalogue has this product in this cohort."""
        return cohort_id in self._memberships.get(product_id, ())

    def shelf(self, cohort_id: str) -> tuple[str, ...]:
        """Return a cohort's products, the most typical first."""
        return self._shelves.get(cohort_id, ())

    def banner_key(self, product_id: str, cohort_id: str) -> str:
        """Return the key of the banner that shows this product to this cohort, as both are now.

        Raises:
            KeyError: the catalogue lacks one of them.
        """
        pair = (product_id, cohort_id)
        key = self._banner_keys.get(pair)
        if key is None:
            product = self.products[product_id]
            key = banner_key(
                product,
                self.cohorts[cohort_id],
                locale=product.locale,
                variant=VARIANT,
                creative_revision=self.creative_revision,
            )
            self._banner_keys[pair] = key
        return key
