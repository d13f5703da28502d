"""Hangs banners on a sheet: justified rows, each as wide as the sheet, with rounded corners and a soft shadow."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from bannerstream.contracts.sizes import BannerSize

MARGIN, GAP = 40, 24
_GROUND = "#efece6"
_CORNER = 5


class Hung(Protocol):
    """Something of a banner's size."""

    @property
    def size(self) -> BannerSize:
        """Return its size, whose proportions it keeps on the sheet."""
        ...


Banner = TypeVar("Banner", bound=Hung)


def hang(rows: Sequence[Sequence[Sequence[Banner]]], paint: Callable[[Banner], Image.Image], width: int) -> Image.Image:
    """Return a sheet of rows of columns; every column is as high as its row, the banners of one column alike in width.

    `paint` is called once per banner, in order.
    """
    inner = width - 2 * MARGIN
    heights = [_row_height(row, inner) for row in rows]
    height = round(2 * MARGIN + sum(heights) + GAP * (len(rows) - 1))
    picture = Image.new("RGB", (width, height), _GROUND)
    y = float(MARGIN)
    for row, row_height in zip(rows, heights, strict=True):
        x = float(MARGIN)
        for column in row:
            column_width, top = _column_width(column, row_height), y
            for banner in column:
                bottom = top + column_width / _ratio(banner)
                _lay(picture, paint(banner), (round(x), round(top), round(x + column_width), round(bottom)))
                top = bottom + GAP
            x += column_width + GAP
        y += row_height + GAP
    return picture


def _ratio(banner: Hung) -> float:
    return banner.size.width / banner.size.height


def _column_width(column: Sequence[Hung], height: float) -> float:
    return (height - GAP * (len(column) - 1)) / sum(1 / _ratio(banner) for banner in column)


def _row_height(row: Sequence[Sequence[Hung]], width: float) -> float:
    """Return the height at which the columns fill the width: their widths grow linearly with it."""
    at_nothing = sum(_column_width(column, 0) for column in row)
    slope = sum(_column_width(column, 1) for column in row) - at_nothing
    return (width - GAP * (len(row) - 1) - at_nothing) / slope


def _lay(picture: Image.Image, banner: Image.Image, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    reach = 24
    around = (left - reach, top - reach, right + reach, bottom + reach)
    under = picture.crop(around)
    shade = Image.new("L", under.size, 0)
    foot = (reach, reach + 5, reach + right - left, reach + 5 + bottom - top)
    ImageDraw.Draw(shade).rounded_rectangle(foot, _CORNER, fill=46)
    shade = shade.filter(ImageFilter.GaussianBlur(8))
    under.paste(ImageChops.multiply(under, Image.new("RGB", under.size, "#3a3128")), mask=shade)
    picture.paste(under, around[:2])
    size = (right - left, bottom - top)
    corners = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, size[0] * 4 - 1, size[1] * 4 - 1), _CORNER * 4, fill=255)
    resized = banner.resize(size, Image.Resampling.LANCZOS)
    picture.paste(resized, (left, top), corners.resize(size, Image.Resampling.LANCZOS))
