"""The picture at the head of the README: real banners of the example shop on one sheet.

`python -m examples.contact_sheet [PATH]` paints them with the studio engine, as `bannerstream paint` would, and writes
`docs/images/banners.webp`. Run it again whenever looks, scenes or phrases change.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from catalog.files import Catalogue, read_catalogue
from contracts.sizes import SIZES, BannerSize
from generator.once import paint_once
from settings import GeneratorSettings

CATALOGUE = Path(__file__).parent / "catalogue"
SHEET = Path("docs/images/banners.webp")

_WIDTH = 1600
_MARGIN, _GAP = 40, 24
_GROUND = "#efece6"
_CORNER = 5
_QUALITY = 92
"""Keeps 1600 pixels of banners under 400 kB without visible loss in their letters."""
_SIZES = {size.name: size for size in SIZES}


@dataclass(frozen=True, slots=True)
class Shown:
    """One banner of the sheet: whose, of what, in which size."""

    cohort: str
    product: str
    size: BannerSize

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.size.width / self.size.height


def _shown(cohort: str, product: str, size: str) -> Shown:
    return Shown(cohort, product, _SIZES[size])


Column = tuple[Shown, ...]
"""Banners of one width, one over the other."""

ROWS: tuple[tuple[Column, ...], ...] = (
    (
        (_shown("calm-home", "kettle-gooseneck", "970x250"),),
        (_shown("festive-gifting", "beanie", "300x250"),),
        (_shown("bright-family", "beach-ball", "300x250"),),
    ),
    (
        (_shown("athletic", "sunglasses", "1080x1080"),),
        (
            _shown("outdoor", "watering-can", "728x90"),
            _shown("calm-home", "candle-amber", "970x250"),
            _shown("athletic", "football", "728x90"),
        ),
        (_shown("night-owl-tech", "dumbbell", "1080x1080"),),
    ),
    (
        (_shown("bright-family", "plush-bear", "970x250"),),
        (_shown("outdoor", "thermos-bottle", "970x250"),),
    ),
)


def sheet(rows: Sequence[Sequence[Column]], catalogue: Catalogue) -> Image.Image:
    """Return the banners in justified rows: every row as wide as the sheet, every column as high as its row."""
    inner = _WIDTH - 2 * _MARGIN
    heights = [_row_height(row, inner) for row in rows]
    height = round(2 * _MARGIN + sum(heights) + _GAP * (len(rows) - 1))
    picture = Image.new("RGB", (_WIDTH, height), _GROUND)
    y = float(_MARGIN)
    for row, row_height in zip(rows, heights, strict=True):
        x = float(_MARGIN)
        for column in row:
            width, top = _column_width(column, row_height), y
            for shown in column:
                bottom = top + width / shown.ratio
                box = (round(x), round(top), round(x + width), round(bottom))
                _hang(picture, _banner(shown, catalogue), box)
                top = bottom + _GAP
            x += width + _GAP
        y += row_height + _GAP
    return picture


def _column_width(column: Column, height: float) -> float:
    return (height - _GAP * (len(column) - 1)) / sum(1 / shown.ratio for shown in column)


def _row_height(row: Sequence[Column], width: float) -> float:
    """Return the height at which the columns fill the width: their widths grow linearly with it."""
    at_nothing = sum(_column_width(column, 0) for column in row)
    slope = sum(_column_width(column, 1) for column in row) - at_nothing
    return (width - _GAP * (len(row) - 1) - at_nothing) / slope


def _banner(shown: Shown, catalogue: Catalogue) -> Image.Image:
    product = next(each for each in catalogue.products if each.product_id == shown.product)
    cohort = next(each for each in catalogue.cohorts if each.cohort_id == shown.cohort)
    picture = catalogue.images.get(product.product_id)
    painted = paint_once(GeneratorSettings(), product, cohort, picture=picture, size=shown.size)
    return Image.open(BytesIO(painted.picture.files[0].content)).convert("RGB")


def _hang(picture: Image.Image, banner: Image.Image, box: tuple[int, int, int, int]) -> None:
    """Lay a banner on the sheet with rounded corners and a soft shadow."""
    left, top, right, bottom = box
    shade = Image.new("L", picture.size, 0)
    ImageDraw.Draw(shade).rounded_rectangle((left, top + 5, right, bottom + 5), _CORNER, fill=46)
    shade = shade.filter(ImageFilter.GaussianBlur(8))
    picture.paste(ImageChops.multiply(picture, Image.new("RGB", picture.size, "#3a3128")), mask=shade)
    size = (right - left, bottom - top)
    corners = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, size[0] * 4 - 1, size[1] * 4 - 1), _CORNER * 4, fill=255)
    resized = banner.resize(size, Image.Resampling.LANCZOS)
    picture.paste(resized, (left, top), corners.resize(size, Image.Resampling.LANCZOS))


def main(path: Path) -> None:
    """Write the sheet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(ROWS, read_catalogue(CATALOGUE)).save(path, "WEBP", quality=_QUALITY, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHEET)
