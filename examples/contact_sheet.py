"""Sheets of real banners of the example shop, painted with the studio engine as the generator would.

`python -m examples.contact_sheet banners` makes the picture at the head of the README, `… studio` 48 whole banners
(every product, setting, template and style), `… sizes` the four sizes of one banner, `… templates` one product in
every template and `… seasons` one scene in every season and light. Each goes to `docs/images/`, or to the path that
follows. Run them again whenever looks, scenes or phrases change.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import cycle
from pathlib import Path

from PIL import Image

from catalog.files import Catalogue, read_catalogue
from contracts.sizes import BILLBOARD, LEADERBOARD, RECTANGLE, SIZES, SQUARE, BannerSize
from examples.hanging import hang
from generator.once import paint_once
from settings import GeneratorSettings

CATALOGUE = Path(__file__).parent / "catalogue"
FOLDER = Path("docs/images")


@dataclass(frozen=True, slots=True)
class Shown:
    """One banner of a sheet: whose, of what, in which size and variant."""

    cohort: str
    product: str
    size: BannerSize
    variant: str = "a"


Column = tuple[Shown, ...]
"""Banners of one width, one over the other."""
Rows = tuple[tuple[Column, ...], ...]


def _shown(cohort: str, product: str, size: BannerSize, variant: str = "a") -> Shown:
    return Shown(cohort, product, size, variant)


_FRONT: Rows = (
    (
        (_shown("calm-home", "kettle-gooseneck", BILLBOARD),),
        (_shown("festive-gifting", "beanie", RECTANGLE),),
        (_shown("bright-family", "beach-ball", RECTANGLE),),
    ),
    (
        (_shown("athletic", "sunglasses", SQUARE),),
        (
            _shown("outdoor", "watering-can", LEADERBOARD),
            _shown("calm-home", "candle-amber", BILLBOARD),
            _shown("athletic", "football", LEADERBOARD),
        ),
        (_shown("night-owl-tech", "dumbbell", SQUARE),),
    ),
    (
        (_shown("bright-family", "plush-bear", BILLBOARD),),
        (_shown("outdoor", "thermos-bottle", BILLBOARD),),
    ),
)


def _studio(catalogue: Catalogue) -> Rows:
    """Return 48 banners: every product for two of its cohorts, variants in turn, in bands of six."""
    pairs = [
        (cohort, each.product_id)
        for turn in (0, 1)
        for each in catalogue.products
        for cohort in [list(each.cohorts)[turn]]
    ]
    variants = cycle(_VARIANTS)
    rows: list[tuple[Column, ...]] = []
    for band in range(0, len(pairs), 6):
        square, *others = [(*pair, next(variants)) for pair in pairs[band : band + 6]]
        tall = (Shown(square[0], square[1], SQUARE, square[2]),)
        sizes = (BILLBOARD, LEADERBOARD, BILLBOARD, RECTANGLE, RECTANGLE)
        shown = [
            Shown(cohort, name, size, variant) for (cohort, name, variant), size in zip(others, sizes, strict=True)
        ]
        columns: tuple[Column, ...] = (tall, tuple(shown[:3]), tuple(shown[3:]))
        rows.append(columns if band % 12 == 0 else columns[::-1])
    return tuple(rows)
