"""Which font draws which letters, and how wide they come out.

Latin, Greek and Cyrillic come from the font packages that are always installed, which are variable fonts. Every other
script comes from Noto: from the packages of the extra `fonts` first, so that a banner is the same on every machine that
has them, then from the system. Widths, ink and outlines come from one shaping by HarfBuzz, so boxes are true.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import accumulate
from pathlib import Path

import numpy as np
import pathops
import uharfbuzz
from fontTools import unicode as font_unicode
from fontTools import unicodedata as scripts
from fontTools.pens.basePen import BasePen
from numpy.typing import NDArray

from bannerstream.generator.errors import NoFontForScript
from bannerstream.generator.layout.text import JOINERS

_CHORDS = 7
"""Per curve: on a letter 120 pixels high, a chord strays from its curve by less than a tenth of a pixel."""
_INHERITED = frozenset({"Zinh", "Zyyy", "Zzzz"})
_CJK = {"Hani": "", "Hira": "ja", "Kana": "ja", "Hang": "ko", "Bopo": "zh-hant"}
"""The language whose shapes Han letters beside this script take."""
_CJK_LANGUAGES = frozenset({"ja", "ko", "zh"})
_TYPEFACES = {
    "grotesk": ("fontpkg_manrope", "files/Manrope[wght].ttf", {800: 800.0, 700: 700.0, 500: 500.0}),
    "sans": ("fontpkg_roboto", "files/Roboto[wdth,wght].ttf", {800: 700.0, 700: 700.0, 500: 500.0}),
    # At its own optical size, 20: at 60, meant for headlines on paper, strokes are too thin over a picture.
    "serif": ("fontpkg_source_serif_4", "files/SourceSerif4[opsz,wght].ttf", {800: 600.0, 700: 600.0, 500: 400.0}),
}
"""Package, file, and where on the axis `wght` each weight of a typeface is drawn."""
_OF_SCRIPT = {
    "Arab": ("fontpkg_noto_sans_arabic", "files/NotoSansArabic[wdth,wght].ttf"),
    "Deva": ("fontpkg_noto_sans_devanagari", "files/NotoSansDevanagari[wdth,wght].ttf"),
    "Hebr": ("pylopdf_fonts_he", "NotoSansHebrew-Variable.ttf"),
    "Khmr": ("fontpkg_noto_sans_khmer", "files/NotoSansKhmer[wdth,wght].ttf"),
    "Taml": ("fontpkg_noto_sans_tamil", "files/NotoSansTamil[wdth,wght].ttf"),
    "Telu": ("fontpkg_noto_sans_telugu", "files/NotoSansTelugu[wdth,wght].ttf"),
    "Thai": ("fontpkg_noto_sans_thai", "files/NotoSansThai[wdth,wght].ttf"),
}
"""Variable fonts of the extra `fonts`: package and file."""


@dataclass(frozen=True, slots=True)
class Face:
    """One font file as HarfBuzz opens it."""

    path: str
    axes: tuple[tuple[str, float], ...] = ()
    """Where a variable font stands on its axes: tag and value."""
    language: str = "en"
    """Decides between the shapes of a letter that a font holds for several languages, as BCP 47 names it."""


@dataclass(frozen=True, slots=True)
class Typeface:
    """What a line is set in: a packaged typeface, a weight and the language that decides between Han shapes."""

    name: str
    weight: int
    language: str = "en"

    @property
    def bold(self) -> bool:
        """Whether WCAG counts it as bold."""
        return self.weight >= 600


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph at its place, for a font size of 1."""

    number: int
    x: float
    y: float
    letter: int
    """Position in the text of the letter that it belongs to."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A stretch of text of one font, measured for a font size of 1."""

    text: str
    face: Face
    width: float
    rise: float
    """Ink above the baseline."""
    drop: float
    """Ink below the baseline."""
    left: float
    """Ink to the left of the origin, negative when it starts inside."""
    glyphs: tuple[Glyph, ...] = ()
    """In visual order."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A glyph as polygons that nowhere overlap: a point is ink inside of one, a hole inside of two."""

    points: NDArray[np.float32]
    """All polygons' points, n x 2."""
    ends: tuple[int, ...]
    """Where each polygon ends among the points."""


def shape(text: str, typeface: Typeface) -> tuple[Shaped, ...]:
    """Return the text in stretches of one font each, in logical order.

    Raises:
        NoFontForScript: no installed font has one of the letters.
    """
    return tuple(_shape_run(run, face) for face, run in _runs(text, typeface))


def drawable(text: str, typeface: Typeface) -> str:
    """Return the text without the symbols (emoji, dingbats) that no font here has; letters are never dropped."""
    return "".join(
        char for char in text if unicodedata.category(char)[0] in "LMNZ" or _face_for(char, typeface) is not None
    )


def has_letters(text: str) -> bool:
    """Return whether every typeface in every weight has a font for each letter."""
    return all(
        _face_for(char, Typeface(name, weight)) is not None
        for name, (_, _, weights) in _TYPEFACES.items()
        for weight in weights
        for char in text
    )


@cache
def fonts_at_hand() -> str:
    """Return a hash of the fonts that can be used here: their names and sizes; 16 hex digits."""
    packaged = [_in_package(package, file) for package, file in _OF_SCRIPT.values()]
    packaged += [_in_package(*_packaged_cjk(style)) for style in ("Regular", "Bold")]
    packaged += [_of_typeface(name, weight).path for name, (_, _, weights) in _TYPEFACES.items() for weight in weights]
    paths = {Path(path) for path in (*packaged, *_system_fonts().values()) if path is not None}
    names = sorted(f"{path.name} {path.stat().st_size}" for path in paths if path.is_file())
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@lru_cache(maxsize=8192)
def outline(face: Face, glyph: int) -> Outline:
    """Return a glyph's outline for a font size of 1, the y axis up.

    The strokes of variable fonts overlap, and one stroke may cross itself; they are joined here.
    """
    opened = _opened(face)
    path = pathops.Path()
    opened.font.draw_glyph_with_pen(glyph, path.getPen())
    path.simplify(fix_winding=False)
    pen = _Flattening()
    path.draw(pen)
    polygons = [np.array(points, np.float32) / np.float32(opened.em) for points in pen.polygons if len(points) > 2]
    if not polygons:
        return Outline(np.zeros((0, 2), np.float32), ())
    return Outline(np.concatenate(polygons), tuple(accumulate(len(polygon) for polygon in polygons)))


class _Flattening(BasePen):  # type: ignore[misc]  # fontTools has no types
    """Turns curves into chords."""

    def __init__(self) -> None:
        super().__init__(None)
        self.polygons: list[list[tuple[float, float]]] = []

    def _moveTo(self, point: tuple[float, float]) -> None:  # noqa: N802  (fontTools' name)
        self.polygons.append([point])

    def _lineTo(self, point: tuple[float, float]) -> None:  # noqa: N802  (fontTools' name)
        self.polygons[-1].append(point)

    def _curveToOne(self, first: tuple[float, float], second: tuple[float, float], end: tuple[float, float]) -> None:  # noqa: N802  (fontTools' name)
        start = self.polygons[-1][-1]
        for step in range(1, _CHORDS + 1):
            t = step / _CHORDS
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            parts = tuple(zip(weights, (start, first, second, end), strict=True))
            self.polygons[-1].append((sum(w * p[0] for w, p in parts), sum(w * p[1] for w, p in parts)))


def is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction runs right to left (UAX #9, rule P2)."""
    for char in text:
        kind = unicodedata.bidirectional(char)
        if kind in {"R", "AL"}:
            return True
        if kind == "L":
            return False
    return False


def cap_height(typeface: Typeface) -> float:
    """Return the height of capitals for a font size of 1."""
    return _shape_run("H", _of_typeface(typeface.name, typeface.weight)).rise


def _runs(text: str, typeface: Typeface) -> Iterator[tuple[Face, str]]:
    current: Face | None = None
    start = 0
    for position, char in enumerate(text):
        if current is not None and (char in JOINERS or unicodedata.combining(char) or _sticks(char, current)):
            continue
        face = (_face_after(text[position:], typeface) if current is None else None) or _face_for(char, typeface)
        if face is None:
            raise NoFontForScript(_no_font(char), char)
        if face != current:
            if current is not None:
                yield current, text[start:position]
            current, start = face, position
    if current is not None:
        yield current, text[start:]


def _sticks(char: str, face: Face) -> bool:
    """Spaces and marks of no script of their own stay in the font of the word before them."""
    return scripts.script(char) in _INHERITED and not char.isdigit() and ord(char) in _opened(face).letters


def _face_after(text: str, typeface: Typeface) -> Face | None:
    """Return the font of the word that marks at the start of a text open, where that font has them: `«نور»`."""
    word = next((char for char in text if scripts.script(char) not in _INHERITED), None)
    face = _face_for(word, typeface) if word else None
    return face if face and text[0] != word and _sticks(text[0], face) else None


@lru_cache(maxsize=8192)
def _face_for(char: str, typeface: Typeface) -> Face | None:
    return next((face for face in _candidates(char, typeface) if ord(char) in _opened(face).letters), None)


def _candidates(char: str, typeface: Typeface) -> Iterator[Face]:
    yield _of_typeface(typeface.name, typeface.weight)
    yield _of_typeface("sans", typeface.weight)
    style = "Bold" if typeface.bold else "Regular"
    script = scripts.script(char)
    if script in _CJK or script in _INHERITED:
        language = typeface.language if typeface.language in _CJK_LANGUAGES else _CJK.get(script) or "zh"
        packaged = _in_package(*_packaged_cjk(style))
        serif = f"NotoSerifCJK-{style}.ttc" if typeface.name == "serif" else ""
        for path in (packaged, _system_fonts().get(serif), _system_fonts().get(f"NotoSansCJK-{style}.ttc")):
            if path:
                yield Face(path, language=language)
    if script in _OF_SCRIPT and (path := _in_package(*_OF_SCRIPT[script])):
        yield Face(path, (("wght", float(typeface.weight)),))
    name = "" if script in _INHERITED else scripts.script_name(script, "").replace("_", "")
    for family in (f"NotoSans{name}", f"NotoSerif{name}", "NotoSans", "NotoSansSymbols", "NotoSansSymbols2"):
        path = _system_fonts().get(f"{family}-{style}.ttf") or _system_fonts().get(f"{family}-Regular.ttf")
        if path:
            yield Face(path)


@cache
def _of_typeface(name: str, weight: int) -> Face:
    package, file, weights = _TYPEFACES[name]
    return Face(str(resources.files(package) / file), (("wght", weights[weight]),))


def _packaged_cjk(style: str) -> tuple[str, str]:
    """Return package and file of the extra's font of Chinese, Japanese and Korean letters."""
    return f"noto_cjk_sans_jp_{style.lower()}", f"NotoSansCJKjp-{style}.otf"


@cache
def _in_package(package: str, file: str) -> str | None:
    """Return the path of a font that an extra installs, or None where it is not installed."""
    try:
        return str(resources.files(package) / file)
    except ModuleNotFoundError:
        return None


@cache
def _system_fonts() -> dict[str, str]:
    """Return the font files of the system by name, from the folders that fontconfig and macOS use."""
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [Path(folder) / "fonts" for folder in shared.split(":") if folder]
    folders += [Path.home() / ".local/share/fonts", Path.home() / ".fonts", Path("/Library/Fonts")]
    return {
        file.name: str(file)
        for folder in folders
        if folder.is_dir()
        for file in folder.rglob("Noto*")
        if file.suffix in {".ttf", ".otf", ".ttc"}
    }


class _Opened:
    """A font file opened for measuring."""

    def __init__(self, face: Face) -> None:
        blob = uharfbuzz.Blob.from_file_path(face.path)
        self._face = uharfbuzz.Face(blob)
        self.font = uharfbuzz.Font(self._face)
        self.font.set_variations(dict(face.axes))
        self.em = float(self._face.upem)
        self.letters = frozenset(self._face.unicodes)


@cache
def _opened(face: Face) -> _Opened:
    return _Opened(face)


@lru_cache(maxsize=16384)
def _shape_run(text: str, face: Face) -> Shaped:
    opened = _opened(face)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.language = face.language  # else HarfBuzz takes that of the process
    # Its script says nothing of a stretch without letters: Arabic digits run left to right.
    buffer.direction = "rtl" if is_right_to_left(text) else "ltr"
    uharfbuzz.shape(opened.font, buffer, {"kern": True, "liga": True})
    pen = rise = drop = left = 0
    glyphs = []
    for glyph, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        ink = opened.font.get_glyph_extents(glyph.codepoint)
        if ink is not None and ink.width:
            rise = max(rise, ink.y_bearing + position.y_offset)
            drop = max(drop, -(ink.y_bearing + ink.height + position.y_offset))
            left = max(left, -(pen + ink.x_bearing + position.x_offset))
        x, y = (pen + position.x_offset) / opened.em, position.y_offset / opened.em
        glyphs.append(Glyph(glyph.codepoint, x, y, glyph.cluster))
        pen += position.x_advance
    em = opened.em
    return Shaped(text, face, pen / em, rise / em, drop / em, left / em, tuple(glyphs))


def _no_font(char: str) -> str:
    script = scripts.script(char)
    package = "fonts-noto-cjk" if script in _CJK else "fonts-noto-core"
    extra = "install bannerstream[fonts], or " if script in _CJK or script in _OF_SCRIPT else ""
    name = scripts.script_name(script, script).replace("_", " ")
    letter = font_unicode.Unicode[ord(char)]
    return f"no installed font has {name} letters ({char!r}, {letter}): {extra}on Debian apt-get install {package}"
