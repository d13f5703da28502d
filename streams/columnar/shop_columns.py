"""A snapshot of the catalogue as arrays over the products that a partition's visitors touched."""

import numpy as np
import numpy.typing as npt

from bannerstream.streams.affinity import Catalogue
from bannerstream.streams.columnar.layout import NO_PRODUCT, Columns, Products

UNKNOWN = -1
"""A product that the catalogue lacks, or that rows cannot hold: its events are the pure core's."""

_FIRST_PRODUCTS = 256


class ShopColumns(dict[str, int]):
    """The place of each product in the arrays, or `UNKNOWN`. A dict, so that a hit runs no Python.

    `shares[place]` are a product's weights by column of the shape, and `offered[place]` whether the catalogue has it in
    that cohort. Products get a place when they are first looked up.
    """

    def __init__(self, catalogue: Catalogue, columns: Columns, products: Products) -> None:
        super().__init__()
        self.catalogue = catalogue
        self.columns = columns
        self._products = products
        self.ids: list[str] = []
        cohorts = len(columns.shape.cohorts)
        self.shares = np.zeros((_FIRST_PRODUCTS, cohorts))
        self.offered = np.zeros((_FIRST_PRODUCTS, cohorts), np.bool_)
        self.numbers = np.zeros(_FIRST_PRODUCTS, np.uint32)
        self._places: dict[int, int] = {NO_PRODUCT: UNKNOWN}
        self._sorted = np.zeros(1, np.uint32), np.full(1, UNKNOWN)
        """The numbers that were looked up, in order, and their places."""
        self._fingerprints: dict[tuple[int, int, str], int] = {}
        self._current: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)

    def __missing__(self, product_id: str) -> int:
        place = self[product_id] = self._placed(product_id)
        return place

    def _placed(self, product_id: str) -> int:
        memberships = self.catalogue.memberships(product_id)
        numbers = self.columns.cohort_numbers
        if memberships is None or not all(cohort in numbers and share > 0 for cohort, share in memberships.items()):
            return UNKNOWN
        number = self._products.number(product_id)
        if number == NO_PRODUCT:
            return UNKNOWN
        place = len(self.ids)
        self.ids.append(product_id)
        if place == len(self.numbers):
            self.shares = np.concatenate([self.shares, np.zeros_like(self.shares)])
            self.offered = np.concatenate([self.offered, np.zeros_like(self.offered)])
            self.numbers = np.concatenate([self.numbers, np.zeros_like(self.numbers)])
        self.numbers[place] = number
        for cohort, share in memberships.items():
            self.shares[place, numbers[cohort]] = share
            self.offered[place, numbers[cohort]] = self.catalogue.holds(product_id, cohort)
        return place

    def places_of(self, numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Return the place of each product number, of any shape; `UNKNOWN` for none."""
        known, places = self._sorted
        at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        missing = known[at] != numbers
        if missing.any():
            for number in np.unique(numbers[missing]).tolist():
                self._places[number] = self[self._products.ids[number]]
            ordered = sorted(self._places)
            known = np.array(ordered, np.uint32)
            places = np.array([self._places[number] for number in ordered])
            self._sorted = known, places
            at = np.searchsorted(known, numbers)
        return places[at]

    def are_current(self, fingerprints: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Return which of these are known to be banners of this snapshot; the pure core decides about the others."""
        known = self.catalogue.current_fingerprints
        if len(known) != len(self._current):
            self._current = np.sort(np.fromiter(known, np.uint64, len(known)))
        if not len(self._current):
            return np.zeros(len(fingerprints), np.bool_)
        at = np.minimum(np.searchsorted(self._current, fingerprints), len(self._current) - 1)
        are: npt.NDArray[np.bool_] = self._current[at] == fingerprints
        return are

    def fingerprint(self, place: int, cohort: int, variant: str) -> int:
        """Return the fingerprint of the banner with this product and column of scores in this variant."""
        key = (place, cohort, variant)
        fingerprint = self._fingerprints.get(key)
        if fingerprint is None:
            fingerprint = self._fingerprints[key] = self.catalogue.banner_fingerprint(
                self.ids[place], self.columns.shape.cohorts[cohort], variant
            )
        return fingerprint
