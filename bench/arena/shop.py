"""The catalogue behind every system's table; `--work full` loads it into the product."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.interactions import InteractionKind

COHORTS = tuple(f"cohort-{number:02}" for number in range(12))
PRODUCTS = 5_000
"""A medium-sized shop: with 12 cohorts, about 600 products per cohort."""

HALF_LIFE_MS = 7 * 86_400_000
KIND_WEIGHTS = {InteractionKind.VIEW: 1.0, InteractionKind.CLICK: 2.0, InteractionKind.CART: 5.0}
"""Equal to `streams.affinity.KIND_WEIGHTS`, so that one offline computation checks both kinds of work."""

_SEED = 20_261_124


@cache
def memberships() -> dict[str, dict[int, float]]:
    """Return each product's cohorts with their weights: one cohort, and for half of the products one or two more."""
    random = np.random.default_rng(_SEED)
    made = {}
    for number in range(PRODUCTS):
        weights = {number % len(COHORTS): round(float(random.uniform(0.6, 1.0)), 2)}
        for cohort in random.choice(len(COHORTS), size=random.choice(3, p=[0.5, 0.3, 0.2]), replace=False):
            weights.setdefault(int(cohort), round(float(random.uniform(0.1, 0.6)), 2))
        made[f"sku-{number:05}"] = weights
    return made


def write_table(path: Path, landmark_ms: int) -> None:
    """Write the table of bench/peers/README.md."""
    table = {
        "landmark_ms": landmark_ms,
        "half_life_ms": HALF_LIFE_MS,
        "kind_weights": KIND_WEIGHTS,
        "cohorts": COHORTS,
        "products": {product_id: list(weights.items()) for product_id, weights in memberships().items()},
    }
    path.write_text(json.dumps(table), encoding="utf-8")


def cohorts() -> list[Cohort]:
    """Return the cohorts as catalogue records."""
    palette = ("#f7f4ef", "#c9b79c", "#7a5c3e")
    return [
        with_rev(Cohort(cohort_id=cohort, name=cohort.title(), mood=("calm",), palette=palette)) for cohort in COHORTS
    ]


def products() -> list[Product]:
    """Return the products as catalogue records."""
    return [
        with_rev(
            Product(
                product_id=product_id,
                title=f"Thing number {product_id[4:]}",
                category="things",
                cohorts={COHORTS[cohort]: weight for cohort, weight in weights.items()},
            )
        )
        for product_id, weights in memberships().items()
    ]
