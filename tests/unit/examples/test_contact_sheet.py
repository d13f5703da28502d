"""The sheet of the README: justified rows of banners that the example shop has."""

import pytest
from PIL import Image

from catalog.files import read_catalogue
from examples import contact_sheet
from examples.contact_sheet import CATALOGUE, ROWS, SHEET, Shown, sheet


def test_every_banner_of_the_sheet_is_one_that_the_shop_would_make() -> None:
    cohorts_of = {product.product_id: product.cohorts for product in read_catalogue(CATALOGUE).products}
    for shown in (shown for row in ROWS for column in row for shown in column):
        assert shown.cohort in cohorts_of[shown.product]


def test_rows_are_justified_and_nothing_overlaps(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[tuple[int, int, int, int]] = []

    def banner(shown: Shown, catalogue: object) -> Image.Image:
        return Image.new("RGB", (shown.size.width, shown.size.height))

    def hang(picture: Image.Image, painted: Image.Image, box: tuple[int, int, int, int]) -> None:
        left, top, right, bottom = box
        assert (right - left) / (bottom - top) == pytest.approx(painted.width / painted.height, rel=0.02)
        boxes.append(box)

    monkeypatch.setattr(contact_sheet, "_banner", banner)
    monkeypatch.setattr(contact_sheet, "_hang", hang)
    picture = sheet(ROWS, read_catalogue(CATALOGUE))
    margin = min(left for left, *_ in boxes)
    assert picture.width == 1600
    assert abs(max(right for _, _, right, _ in boxes) - (1600 - margin)) <= 1
    assert abs(max(bottom for *_, bottom in boxes) - (picture.height - margin)) <= 1
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_the_sheet_in_the_docs_is_light_enough_for_a_readme() -> None:
    path = CATALOGUE.parents[1] / SHEET
    assert path.stat().st_size <= 400_000
    with Image.open(path) as opened:
        assert opened.width == 1600
