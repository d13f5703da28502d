"""The sheets of the README and docs: justified rows of banners that the example shop has."""

from pathlib import Path

import pytest
from PIL import Image

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.sizes import SIZES
from bannerstream.contracts.variants import HEADLINES, SCENE_STYLES, TEMPLATES, creative_of
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator.studio.choice import choose
from bannerstream.generator.studio.scenes import SCENES
from examples import hanging
from examples.contact_sheet import FOLDER, Shown, sheets

SHEETS = sheets(read_catalogue(CATALOGUE))
by_sheet = pytest.mark.parametrize("name", SHEETS)


def shown(name: str) -> list[Shown]:
    return [each for row in SHEETS[name].rows for column in row for each in column]


@by_sheet
def test_every_banner_of_a_sheet_is_one_that_the_shop_would_make(name: str) -> None:
    cohorts_of = {product.product_id: product.cohorts for product in read_catalogue(CATALOGUE).products}
    for banner in shown(name):
        assert banner.cohort in cohorts_of[banner.product]
        assert creative_of(banner.variant) is not None


def test_the_studio_sheet_has_48_banners_of_every_template_style_and_size() -> None:
    banners = shown("studio")
    creatives = [creative_of(each.variant) for each in banners]
    assert len(banners) == 48
    assert len({(each.product, each.cohort) for each in banners}) == 48
    assert {each.template for each in creatives if each} == set(TEMPLATES)
    assert {each.headline for each in creatives if each} == set(HEADLINES)
    assert {each.scene for each in creatives if each} == set(SCENE_STYLES)
    assert {each.size for each in banners} == set(SIZES)
    settings = {choose(each.setting, (), tuple(SCENES)) for each in banners if each.setting}
    assert {"workshop", "festive", "studio", "trail", "garden", "stadium"} <= settings


@by_sheet
def test_rows_are_justified_and_nothing_overlaps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[tuple[int, int, int, int]] = []

    def banner(shown_banner: Shown) -> Image.Image:
        return Image.new("RGB", (shown_banner.size.width, shown_banner.size.height))

    def lay(picture: Image.Image, painted: Image.Image, box: tuple[int, int, int, int]) -> None:
        left, top, right, bottom = box
        assert (right - left) / (bottom - top) == pytest.approx(painted.width / painted.height, rel=0.02)
        boxes.append(box)

    monkeypatch.setattr(hanging, "_lay", lay)
    width = SHEETS[name].width
    picture = hanging.hang(SHEETS[name].rows, banner, width)
    assert picture.width == width
    assert abs(max(right for _, _, right, _ in boxes) - (width - hanging.MARGIN)) <= 1
    assert abs(max(bottom for *_, bottom in boxes) - (picture.height - hanging.MARGIN)) <= 1
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


@by_sheet
def test_the_sheets_in_the_docs_are_light_enough_for_a_page(name: str) -> None:
    path = Path(__file__).parents[3] / FOLDER / f"{name}.webp"
    assert path.stat().st_size <= (400_000 if name == "banners" else 1_500_000)
    with Image.open(path) as opened:
        assert opened.width == SHEETS[name].width
