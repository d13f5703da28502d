"""Breaks a text into lines and finds the largest size at which it fits.

Lines are balanced (the longest is as short as possible) and avoid a lone short word at the end. CJK text breaks
between any two characters except where kinsoku shori forbids it (JIS X 4051, basic sets).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from fontTools import unicodedata as scripts

from bannerstream.generator.layout.fonts import Shaped, Typeface, cap_height, is_right_to_left, shape

_NOT_AT_START = frozenset(
    "、。，．・：；？！ー）］｝」』】〕〉》”’…‥々ゝゞぁぃぅぇぉっゃゅょァィゥェォッャュョ,.:;?!)]}%"
)
_NOT_AT_END = frozenset("（［｛「『【〔〈《“‘([{¥￥$€£")
_BREAKS_ANYWHERE = frozenset({"Hani", "Hira", "Kana", "Bopo"})
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_WORD = re.compile(
    r"(?:\d[\d.,]*(?:[ ][×x][ ]\d[\d.,]*)*[ ](?=[a-z%°]|\w{1,2}(?:\W|$)))?"  # a number before what it counts
    r"[\S\u00a0\u202f]+?(?:(?<=\w{4})[-/–](?=\w{4})|[^\S\u00a0\u202f]+(?:[·|–—][^\S\u00a0\u202f]+)?|$)"
)
_SEPARATORS = "·|–—"
_FACTS_BETWEEN = " · "
_SPACE_CORE_SPACE = re.compile(r"^(\s*)(.*?)(\s*)$", re.DOTALL)
_WIDOW_SHARE = 0.36
"""A last line shorter than this share of the ideal length counts as a widow."""
_AT_HYPHEN = 0.6
_INSIDE_FACT = 0.15
"""Cost of a break inside a fact, on the scale of squared relative length differences: facts stay whole unless the lines
get very uneven."""
_LEADING = {"latin": 1.1, "other": 1.28}
_STEPS = 14
"""Sizes tried between the largest and the smallest; at a ratio of 2 they are about 5 % apart."""


@dataclass(frozen=True, slots=True)
class SetLine:
    """One line as drawn: its runs in visual order, left to right."""

    text: str
    runs: tuple[Shaped, ...]
    tracking: float
    """Extra space after each letter, in font sizes."""

    @property
    def width(self) -> float:
        """Advance width for a font size of 1."""
        return sum(advance(run, self.tracking) for run in self.runs)

    @property
    def rise(self) -> float:
        """Ink above the baseline for a font size of 1."""
        return max((run.rise for run in self.runs), default=0.0)

    @property
    def drop(self) -> float:
        """Ink below the baseline for a font size of 1."""
        return max((run.drop for run in self.runs), default=0.0)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of one size."""

    lines: tuple[SetLine, ...]
    typeface: Typeface
    font_size: float

    @property
    def leading(self) -> float:
        """Pixels from one baseline to the next."""
        latin = all(line.rise < 0.98 and line.drop < 0.32 and not _joins(line.text) for line in self.lines)
        return self.font_size * _LEADING["latin" if latin else "other"]

    @property
    def rise(self) -> float:
        """Pixels from the first baseline to the visual top: that of capitals, or of taller ink."""
        caps = cap_height(self.typeface)
        tall = self.lines[0].rise if _joins(self.lines[0].text) else caps
        return self.font_size * max(caps, tall)

    @property
    def drop(self) -> float:
        """Pixels from the last baseline to the visual bottom: Latin descenders do not count."""
        return self.font_size * (self.lines[-1].drop if _joins(self.lines[-1].text) else 0.0)

    @property
    def width(self) -> float:
        """Pixels of the longest line."""
        return self.font_size * max(line.width for line in self.lines)

    @property
    def height(self) -> float:
        """Pixels from the visual top to the visual bottom."""
        return self.rise + self.leading * (len(self.lines) - 1) + self.drop


def fit(
    text: str,
    typeface: Typeface,
    *,
    width: float,
    height: float,
    largest: float,
    smallest: float,
    max_lines: int,
    tracking: float = 0.0,
    right_to_left: bool = False,
) -> Paragraph | None:
    """Return the text at the largest size that fits the box in at most `max_lines` lines; None if no size fits."""
    words = _words(text)
    if not words:
        return None
    typeface = _for_language(typeface, text)
    widths, penalties = _word_widths(words, typeface, tracking), _penalties(words)
    for step in range(_STEPS + 1):
        size = largest * (smallest / largest) ** (step / _STEPS)
        for count in range(1, max_lines + 1):
            spans = _balanced(widths, width / size, count, penalties)
            if spans is None:
                continue
            texts = (_line_of(words, start, end) for start, end in spans)
            lines = tuple(set_line(text, typeface, tracking, right_to_left) for text in texts)
            paragraph = Paragraph(lines, typeface, size)
            if paragraph.width <= width and paragraph.height <= height:
                return paragraph
    return None


def fit_or_shorten(
    text: str,
    typeface: Typeface,
    *,
    width: float,
    height: float,
    largest: float,
    smallest: float,
    max_lines: int,
    right_to_left: bool = False,
) -> Paragraph | None:
    """Return `fit`; where even the smallest size is too large, drop words at the end and add an ellipsis."""
    words = list(_words(text))
    shortened = text
    while words:
        found = fit(
            shortened,
            typeface,
            width=width,
            height=height,
            largest=largest,
            smallest=smallest,
            max_lines=max_lines,
            right_to_left=right_to_left,
        )
        if found is not None:
            return found
        if len(words) == 1:
            words = list(words[0][: max(1, len(words[0]) * 3 // 4)].strip()) if len(words[0]) > 2 else []
            words = ["".join(words)] if words else []
        else:
            words.pop()
        shortened = _joined(tuple(words)).rstrip(" ,.;:·–—-&(/") + "…"
    return None


def fewer_facts(text: str) -> Iterator[str]:
    """Yield the line with all its facts, then with fewer and fewer. A fact is dropped whole, never cut."""
    facts = text.split(_FACTS_BETWEEN)
    for count in range(len(facts), 0, -1):
        yield _FACTS_BETWEEN.join(facts[:count])


@lru_cache(maxsize=4096)
def set_line(text: str, typeface: Typeface, tracking: float = 0.0, right_to_left: bool = False) -> SetLine:
    """Return a shaped line, its runs in visual order.

    Cached: `fit` tries the same lines at many sizes, and a banner's four sizes break many lines alike.
    """
    typeface = _for_language(typeface, text)
    parts = [shape(part, typeface) for part in _directional(text, right_to_left=right_to_left)]
    visual: list[Shaped] = []
    for part in reversed(parts) if right_to_left else parts:
        if any(is_right_to_left(run.text) for run in part):
            for run in reversed(part):
                visual += (run,) if is_right_to_left(run.text) else shape(_turned(run.text), typeface)
        else:
            visual += part
    return SetLine(text, tuple(visual), 0.0 if any(_joins(run.text) for run in visual) else tracking)


def _turned(signs: str) -> str:
    """Return punctuation between right-to-left words, set in another font than theirs, in left-to-right order."""
    return signs.translate(_MIRRORED)[::-1]


def advance(run: Shaped, tracking: float) -> float:
    """Return the advance width of a run for a font size of 1, tracking included."""
    return run.width + tracking * len(run.text)


def _directional(text: str, *, right_to_left: bool) -> list[str]:
    """Split a text where its direction changes (a plain UAX #9: one level of embedding, words and numbers kept whole).

    Neutral characters (spaces, `&`, `·`) take the direction of their neighbours if both agree, else the paragraph's
    (rules N1 and N2).
    """
    tokens: list[str] = re.findall(r"\s+|\S+", text)
    own = [_direction(token) for token in tokens]
    parts: list[tuple[bool, str]] = []
    for position, token in enumerate(tokens):
        before = next((known for known in reversed(own[: position + 1]) if known is not None), right_to_left)
        after = next((known for known in own[position:] if known is not None), right_to_left)
        direction = before if before == after else right_to_left
        if parts and parts[-1][0] == direction:
            parts[-1] = (direction, parts[-1][1] + token)
        else:
            parts.append((direction, token))
    # Spaces at the ends become separate runs: a renderer that treats a run as a left-to-right paragraph (UAX #9, rule
    # L1) would put them on its right.
    return [piece for _, part in parts for piece in _SPACE_CORE_SPACE.findall(part)[0] if piece]


def _direction(token: str) -> bool | None:
    """Return whether a token runs right to left; None if it is neutral."""
    kinds = {unicodedata.bidirectional(char) for char in token}
    if kinds & {"R", "AL"}:
        return True
    return False if kinds & {"L", "EN", "AN", "ET"} else None


@lru_cache(maxsize=4096)
def _joins(text: str) -> bool:
    """Return whether the script joins its letters or is not tracked by convention."""
    return any(scripts.script(char) not in {"Latn", "Grek", "Cyrl", "Zyyy", "Zinh"} for char in text)


@lru_cache(maxsize=4096)
def _for_language(typeface: Typeface, text: str) -> Typeface:
    """Return the typeface with the language that kana or hangul imply for the Han characters beside them."""
    found = {scripts.script(char) for char in text}
    language = "ja" if found & {"Hira", "Kana"} else "ko" if "Hang" in found else typeface.language
    return Typeface(typeface.name, typeface.weight, language)


@lru_cache(maxsize=1024)
def _words(text: str) -> tuple[str, ...]:
    """Return the pieces between which a line may break; trailing space and punctuation belong to the word before.

    A separator (` · `, ` – `) belongs to the word before, so that no line begins with one; a number and what it counts
    (`40 hours`, `70 × 140 cm`) are one piece. Hyphens part long words only: "Over-Ear" stays together.
    """
    pieces: list[str] = []
    for word in _WORD.findall(text.strip()):
        pieces.extend(_cjk_pieces(word))
    return tuple(pieces)


def _cjk_pieces(word: str) -> list[str]:
    pieces: list[str] = []
    for char in word:
        glued = (
            not pieces
            or char.isspace()
            or char in _NOT_AT_START
            or pieces[-1][-1] in _NOT_AT_END
            or not (scripts.script(char) in _BREAKS_ANYWHERE or scripts.script(pieces[-1][-1]) in _BREAKS_ANYWHERE)
            or (scripts.script(char) == "Kana" and scripts.script(pieces[-1][-1]) == "Kana")
        )
        if glued and pieces:
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def _joined(words: tuple[str, ...]) -> str:
    return "".join(words).strip()


def _line_of(words: tuple[str, ...], start: int, end: int) -> str:
    """Return a line of pieces, without a separator at its end if another line follows."""
    line = _joined(words[start:end])
    return _without_separator(line) if end < len(words) else line


def _without_separator(text: str) -> str:
    bare = text.rstrip()
    if len(bare) > 1 and bare[-1] in _SEPARATORS and bare[-2].isspace():
        bare = bare[:-1].rstrip()
    return bare


@lru_cache(maxsize=2048)
def _word_widths(words: tuple[str, ...], typeface: Typeface, tracking: float) -> tuple[tuple[float, float], ...]:
    """Return the width of each piece with its trailing space, and without."""
    return tuple(
        (
            sum(advance(run, tracking) for run in shape(word, typeface)),
            sum(advance(run, tracking) for run in shape(_without_separator(word), typeface)),
        )
        for word in words
    )


def _penalties(words: tuple[str, ...]) -> tuple[float, ...]:
    """Return the cost of a break after every piece: none between facts, some inside a fact, more at a hyphen."""
    facts = any(_without_separator(word) != word.rstrip() for word in words)
    return tuple(
        0.0
        if _without_separator(word) != word.rstrip()
        else _AT_HYPHEN
        if word[-1:] in {"-", "/", "–"}
        else _INSIDE_FACT
        if facts
        else 0.0
        for word in words
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    """Lengths of spans of words, and the cost of a line of that length."""

    prefix: tuple[float, ...]
    trailing: tuple[float, ...]
    limit: float
    ideal: float
    penalties: tuple[float, ...]
    """Cost of a break after every piece."""

    def length(self, start: int, end: int) -> float:
        return self.prefix[end] - self.prefix[start] - self.trailing[end - 1]

    def cost(self, start: int, end: int, *, last: bool) -> float:
        length = self.length(start, end)
        widow = 4.0 if last and start > 0 and length < _WIDOW_SHARE * self.ideal else 0.0
        torn = 0.0 if last else self.penalties[end - 1]
        return ((length - self.ideal) / self.ideal) ** 2 + widow + torn


def _balanced(
    widths: tuple[tuple[float, float], ...], limit: float, count: int, penalties: tuple[float, ...]
) -> list[tuple[int, int]] | None:
    """Return the spans of `count` lines within `limit` whose lengths differ least; None if there are none."""
    total = len(widths)
    if count > total:
        return None
    prefix = tuple(accumulate((full for full, _ in widths), initial=0.0))
    trailing = tuple(full - bare for full, bare in widths)
    measure = _Measure(prefix, trailing, limit, (prefix[-1] - trailing[-1]) / count, penalties)
    steps: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for line in range(1, count + 1):
        steps.append(_next_line(steps[-1], measure, total, last=line == count))
    if total not in steps[count]:
        return None
    spans: list[tuple[int, int]] = []
    end = total
    for reached in reversed(steps[1:]):
        start = reached[end][1]
        spans.append((start, end))
        end = start
    return spans[::-1]


def _next_line(
    reached: dict[int, tuple[float, int]], measure: _Measure, total: int, *, last: bool
) -> dict[int, tuple[float, int]]:
    """Return, for every possible end of the next line, the least cost and where that line starts."""
    further: dict[int, tuple[float, int]] = {}
    for start, (cost, _) in reached.items():
        for end in (total,) if last else range(start + 1, total):
            if end <= start or measure.length(start, end) > measure.limit:
                break
            candidate = cost + measure.cost(start, end, last=last)
            if end not in further or candidate < further[end][0]:
                further[end] = (candidate, start)
    return further
