"""Splits a shop title into segments of words, in order, without control characters, brand, numbers and punctuation."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

MAX_TITLE = 500
"""Characters that are read: the contract's bound, applied here too for callers that did not decode."""

_SEGMENT_ENDS = re.compile(r"[,;|()\[\]{}/:•·+–—]|\s-+\s|。|、|・|【|】")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
GAP = ""
"""Replaces a number, a size or a model number, so that the words on its two sides are not neighbours."""

Segment = tuple[str, ...]


def clean(text: str) -> str:
    """Return the text in one Unicode form (NFKC), without control, bidi, private and unassigned characters."""
    composed = unicodedata.normalize("NFKC", text[:MAX_TITLE])
    return "".join(_visible(character) for character in composed)


def segments(text: str, brand: str | None = None) -> list[Segment]:
    """Return the words of a title, lower case, by segment. The brand and words with a digit become `GAP`."""
    branded = tuple(_words(clean(brand))) if brand else ()
    found = (tuple(_words(part)) for part in _SEGMENT_ENDS.split(clean(text)))
    return [_without(segment, branded) for segment in found if segment]


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    return "" if category.startswith("C") else character


def _words(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        yield GAP if any(character.isdigit() for character in token) else token.replace("’", "'").casefold()


def _without(segment: Segment, brand: Sequence[str]) -> Segment:
    if not brand:
        return segment
    kept: list[str] = []
    index = 0
    while index < len(segment):
        if segment[index : index + len(brand)] == tuple(brand):
            kept.append(GAP)
            index += len(brand)
        else:
            kept.append(segment[index])
            index += 1
    return tuple(kept)
