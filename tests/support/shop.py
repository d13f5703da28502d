"""A small catalogue for the tests of streams."""

from typing import Any

from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.streams.affinity import Catalogue, Policy

DAY = 86_400_000
NOON = 1_800_000_000_000

POLICY = Policy(
    half_life_ms=7 * DAY,
    margin=0.15,
    min_interval_ms=5_000,
    suppress_ms=30 * DAY,
    products_per_user=4,
    max_cohorts=32,
    duplicate_window=3,
)


def cohort(cohort_id: str, **facts: Any) -> Cohort:
    return with_rev(
        Cohort(cohort_id=cohort_id, name=cohort_id, mood=("calm",), palette=("#ffffff", "#888888", "#000000"), **facts)
    )


def product(product_id: str, cohorts: dict[str, float], title: str = "Mug") -> Product:
    return with_rev(Product(product_id=product_id, title=title, category="home", cohorts=cohorts))


COHORTS = (cohort("cosy"), cohort("sporty"), cohort("bookish"))
PRODUCTS = (
    product("mug", {"cosy": 1.0}),
    product("blanket", {"cosy": 0.8}),
    product("candle", {"cosy": 0.5, "bookish": 0.2}),
    product("shoe", {"sporty": 1.0}),
    product("ball", {"sporty": 0.9, "unheard-of": 1.0}),
    product("novel", {"bookish": 1.0, "cosy": 0.3}),
    product("lamp", {"bookish": 0.7, "cosy": 0.6}),
)


def catalogue(*products: Product, cohorts: tuple[Cohort, ...] = COHORTS) -> Catalogue:
    return Catalogue(products or PRODUCTS, cohorts, creative_revision="1")


def policy(**changes: float) -> Policy:
    fields = {name: getattr(POLICY, name) for name in Policy.__slots__}
    return Policy(**(fields | changes))
