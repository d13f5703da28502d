"""Sheets of real banners of the example shop, painted with the studio engine as the generator would.

`python -m examples.contact_sheet banners` makes the picture at the head of the README, `studio` 48 whole banners,
`templates` one banner per template in its four sizes, `seasons` a garden and a trail through the year; `all` makes all.
They go to `docs/images/`, or to the folder that follows. Run it again whenever looks, scenes or phrases change.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from PIL import Image

from bannerstream.catalog.folder import CatalogueFolder, read_catalogue
from bannerstream.contracts.sizes import BILLBOARD, LEADERBOARD, RECTANGLE, SQUARE, BannerSize
from bannerstream.contracts.variants import HEADLINES, SCENE_STYLES, TEMPLATES, Creative
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator.paint_once import paint_once
from bannerstream.settings import GeneratorSettings
from examples.hanging import hang

FOLDER = Path("docs/images")


@dataclass(frozen=True, slots=True)
class Shown:
    """One banner of a sheet: whose, of what, in which size and variant."""

    cohort: str
    product: str
    size: BannerSize
    variant: str = "a"
    setting: str | None = None
    """Instead of the one that the describer finds."""


Column = tuple[Shown, ...]
"""Banners of one width, one over the other."""
Rows = tuple[tuple[Column, ...], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One picture of many banners."""

    rows: Rows
    width: int
    quality: int


_FRONT: Rows = (
    (
        (Shown("calm-home", "kettle-gooseneck", BILLBOARD, "open-bold-airy"),),
        (Shown("festive-gifting", "beanie", RECTANGLE, "panel-bold-natural"),),
        (Shown("bright-family", "beach-ball", RECTANGLE, "open-bold-natural"),),
    ),
    (
        (Shown("athletic", "sunglasses", SQUARE, "frost-offer-natural"),),
        (
            Shown("outdoor", "watering-can", LEADERBOARD, "open-bold-natural"),
            Shown("calm-home", "candle-amber", BILLBOARD, "diagonal-bold-natural"),
            Shown("athletic", "football", LEADERBOARD, "panel-bold-natural"),
        ),
        (Shown("night-owl-tech", "dumbbell", SQUARE, "open-bold-dramatic"),),
    ),
    (
        (Shown("bright-family", "plush-bear", BILLBOARD, "arc-bold-natural"),),
        (Shown("outdoor", "thermos-bottle", BILLBOARD, "centre-light-natural"),),
    ),
)
_ELSEWHERE = {
    "mug-stoneware-terracotta": "festive table",
    "kettle-gooseneck": "plain studio",
    "candle-amber": "festive living room",
    "watering-can": "autumn garden",
    "planter-terracotta": "spring garden",
    "hand-trowel": "workshop",
    "sunglasses": "plain studio",
    "sun-hat": "garden in summer",
    "thermos-bottle": "stadium",
    "beanie": "autumn trail",
    "desk-lamp": "workshop",
    "headphones": "plain studio",
    "night-light-moon": "desk",
    "dumbbell": "workshop",
    "yoga-mat": "plain studio",
}
"""Where a product is shown the second time, as a language model might have it."""
_TURN = 5
"""Steps through the styles from one banner to the next: prime to their number, so that all come up."""


def _studio(catalogue: CatalogueFolder) -> Rows:
    """Return 48 banners, every product for two of its cohorts, in bands of six; templates and styles take turns."""
    shown: list[Shown] = []
    sizes = (SQUARE, BILLBOARD, LEADERBOARD, BILLBOARD, RECTANGLE, RECTANGLE)
    for turn in (0, 1):
        for product in catalogue.products:
            at = len(shown)
            styles = [(headline, scene) for headline in HEADLINES for scene in SCENE_STYLES]
            creative = Creative(TEMPLATES[at % len(TEMPLATES)], *styles[at * _TURN % len(styles)])
            setting = _ELSEWHERE.get(product.product_id) if turn else None
            cohort = tuple(product.cohorts)[turn]
            shown.append(Shown(cohort, product.product_id, sizes[at % 6], creative.variant, setting))
    rows: list[tuple[Column, ...]] = []
    for band in range(0, len(shown), 6):
        square, *beside = shown[band : band + 6]
        columns: tuple[Column, ...] = ((square,), tuple(beside[:3]), tuple(beside[3:]))
        rows.append(columns[::-1] if band % 12 else columns)
    return tuple(rows)


_FOUR_SIZES = (
    ("calm-home", "kettle-gooseneck"),
    ("athletic", "sunglasses"),
    ("bright-family", "plush-bear"),
    ("night-owl-tech", "headphones"),
    ("outdoor", "thermos-bottle"),
    ("festive-gifting", "candle-amber"),
    ("calm-home", "mug-stoneware-terracotta"),
)
"""One cohort and product per template."""


def _templates(catalogue: CatalogueFolder) -> Rows:
    del catalogue
    rows: list[tuple[Column, ...]] = []
    for at, (template, (cohort, product)) in enumerate(zip(TEMPLATES, _FOUR_SIZES, strict=True)):
        creative = Creative(template, HEADLINES[at % 3], SCENE_STYLES[at % 3])
        square, billboard, strip, compact = (
            Shown(cohort, product, size, creative.variant) for size in (SQUARE, BILLBOARD, LEADERBOARD, RECTANGLE)
        )
        rows.append(((square,), (billboard, strip), (compact,)))
    return tuple(rows)


def _seasons(catalogue: CatalogueFolder) -> Rows:
    del catalogue
    return tuple(
        (
            (Shown("outdoor", "hand-trowel", BILLBOARD, "open-bold-natural", f"{season} garden"),),
            (Shown("athletic", "thermos-bottle", BILLBOARD, "open-bold-natural", f"{season} trail"),),
        )
        for season in ("spring", "summer", "autumn", "winter")
    )


def sheets(catalogue: CatalogueFolder) -> dict[str, Sheet]:
    """Return every sheet by the name of its command and file."""
    return {
        "banners": Sheet(_FRONT, 1600, 92),
        "studio": Sheet(_studio(catalogue), 2000, 84),
        "templates": Sheet(_templates(catalogue), 1800, 86),
        "seasons": Sheet(_seasons(catalogue), 1600, 84),
    }


def _banner(catalogue: CatalogueFolder, shown: Shown) -> Image.Image:
    product = next(each for each in catalogue.products if each.product_id == shown.product)
    cohort = next(each for each in catalogue.cohorts if each.cohort_id == shown.cohort)
    painted = paint_once(
        GeneratorSettings(),
        product,
        cohort,
        picture=catalogue.images.get(product.product_id),
        size=shown.size,
        variant=shown.variant,
        setting=shown.setting,
    )
    return Image.open(BytesIO(painted.picture.files[0].content)).convert("RGB")


def main() -> None:
    """Write the sheets that were asked for."""
    catalogue = read_catalogue(CATALOGUE)
    known = sheets(catalogue)
    parser = argparse.ArgumentParser(prog="python -m examples.contact_sheet", description=__doc__)
    parser.add_argument("sheet", choices=(*known, "all"))
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    asked = parser.parse_args()
    paint: Callable[[Shown], Image.Image] = cache(partial(_banner, catalogue))
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in known if asked.sheet == "all" else (asked.sheet,):
        sheet = known[name]
        picture = hang(sheet.rows, paint, sheet.width)
        picture.save(asked.folder / f"{name}.webp", "WEBP", quality=sheet.quality, method=6)


if __name__ == "__main__":
    main()
