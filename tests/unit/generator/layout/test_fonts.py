"""Which font draws which letters: the same on every machine that has the packages, with and without system fonts."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from bannerstream.catalog.folder import read_catalogue
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator.errors import NoFontForScript
from bannerstream.generator.layout import fonts
from bannerstream.generator.layout.fonts import Face, Typeface, outline, shape

PRODUCTS = read_catalogue(CATALOGUE).products
TYPEFACES = [Typeface(name, weight) for name in ("grotesk", "sans", "serif") for weight in (800, 700, 500)]
SCRIPTS = {
    "arabic": "شمعة معطرة",
    "devanagari": "हस्तनिर्मित मग",
    "hebrew": "ספל קרמיקה",
    "japanese": "手びねりの陶器",
    "khmer": "ពែងដី",
    "korean": "도자기 머그",
    "tamil": "பீங்கான் குவளை",
    "telugu": "పింగాణీ కప్పు",
    "thai": "แก้วเซรามิก",
    "traditional-chinese": "ㄊㄠˊ 陶瓷",
}
by_typeface = pytest.mark.parametrize("typeface", TYPEFACES, ids=lambda typeface: f"{typeface.name}-{typeface.weight}")


@pytest.fixture
def _a_bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Point every folder of system fonts to one that is empty."""
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = fonts._system_fonts.__wrapped__()
    monkeypatch.setattr(fonts, "_system_fonts", lambda: found)
    fonts._face_for.cache_clear()
    assert not [path for path in found.values() if not path.startswith("/Library")]
    yield
    fonts._face_for.cache_clear()


def drawn(text: str, typeface: Typeface) -> set[Face]:
    """Return the fonts that draw a text, and fail where one of them has no glyph for a letter."""
    runs = shape(text, typeface)
    assert "".join(run.text for run in runs) == text
    assert all(glyph.number for run in runs for glyph in run.glyphs), "0 is the box of a missing letter"
    return {run.face for run in runs}


@pytest.mark.usefixtures("_a_bare_machine")
@by_typeface
def test_a_bare_machine_has_the_letters_of_every_product_of_the_example_shop(typeface: Typeface) -> None:
    for product in PRODUCTS:
        language = product.locale.split("-")[0]
        drawn(product.title, Typeface(typeface.name, typeface.weight, language))


@pytest.mark.usefixtures("_a_bare_machine")
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_extra_fonts_has_the_letters_of(script: str) -> None:
    bold, plain = drawn(SCRIPTS[script], Typeface("grotesk", 700)), drawn(SCRIPTS[script], Typeface("grotesk", 500))
    assert not bold & plain, "a headline is heavier than the line under it"


@pytest.mark.parametrize("script", SCRIPTS)
def test_packaged_fonts_come_before_those_of_the_system(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    anything = dict.fromkeys(
        ("NotoSansCJK-Bold.ttc", "NotoSerifCJK-Bold.ttc", "NotoSansArabic-Bold.ttf", "NotoSansThai-Bold.ttf"), "/system"
    )
    monkeypatch.setattr(fonts, "_system_fonts", lambda: anything)
    fonts._face_for.cache_clear()
    try:
        assert all(face.path != "/system" for face in drawn(SCRIPTS[script], Typeface("serif", 800)))
    finally:
        fonts._face_for.cache_clear()


def test_han_letters_have_the_shapes_of_their_language() -> None:
    glyphs = {
        language: shape("骨直", Typeface("sans", 700, language))[0].glyphs for language in ("ja", "zh", "ko", "en")
    }
    assert glyphs["ja"] != glyphs["zh"]
    assert glyphs["en"] == glyphs["zh"]
    assert shape("ㄍ骨", Typeface("sans", 700))[0].face.language == "zh-hant"


@pytest.mark.usefixtures("_a_bare_machine")
@pytest.mark.parametrize(("letter", "extra"), [("陶", True), ("ع", True), ("ა", False)])
def test_a_missing_font_names_what_to_install(letter: str, extra: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_in_package", lambda *_: None)
    with pytest.raises(NoFontForScript, match="apt-get install fonts-noto") as raised:
        shape(letter, Typeface("sans", 700))
    assert ("bannerstream[fonts]" in str(raised.value)) == extra


def test_a_missing_letter_is_named_and_other_fonts_have_another_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_extra = fonts.fonts_at_hand()
    fonts.fonts_at_hand.cache_clear()
    monkeypatch.setattr(fonts, "_in_package", lambda *_: None)
    monkeypatch.setattr(fonts, "_system_fonts", dict)
    fonts._face_for.cache_clear()
    try:
        assert fonts.has_letters("Mug Größe Ж")
        assert not fonts.has_letters("Mug 陶")
        with pytest.raises(NoFontForScript) as raised:
            shape("Mug 陶器", Typeface("sans", 700))
        assert raised.value.letters == "陶"
        assert fonts.fonts_at_hand() != with_extra
    finally:
        fonts._face_for.cache_clear()
        fonts.fonts_at_hand.cache_clear()


@pytest.mark.parametrize("weight", [800, 500])
@pytest.mark.parametrize("letter", ["و", "م", "ه", "R", "@", "ф"])
def test_strokes_that_overlap_are_ink_as_freetype_has_it(letter: str, weight: int) -> None:
    size, width, baseline = 200, 300, 220
    ((run,),) = [shape(letter, Typeface("grotesk", weight))]
    ours = np.zeros((width, width), np.uint8)
    (glyph,) = run.glyphs
    found = outline(run.face, glyph.number)
    points = np.round(found.points * [size, -size] + [50, baseline]).astype(np.int32)
    cv2.fillPoly(ours, [points[start:end] for start, end in pairwise((0, *found.ends))], 255)
    font = ImageFont.truetype(run.face.path, size, layout_engine=ImageFont.Layout.BASIC)
    axes = dict(run.face.axes)
    tags = {"Weight": axes["wght"]}
    font.set_variation_by_axes([tags.get(axis["name"].decode(), axis["default"]) for axis in font.get_variation_axes()])
    sheet = Image.new("L", (width, width))
    ImageDraw.Draw(sheet).text((50, baseline), letter, fill=255, font=font, anchor="ls")
    theirs = np.where(np.asarray(sheet) > 127, 255, 0).astype(np.uint8)
    edge = np.ones((5, 5), np.uint8)
    assert theirs.any()
    assert not cv2.erode(theirs, edge)[ours == 0].any(), "no hole where strokes cross"
    assert not cv2.erode(ours, edge)[theirs == 0].any()
