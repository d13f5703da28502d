"""Legibility: whether OCR reads the headline off the picture without knowing it.

The reader is PP-OCR from the package `rapidocr`, whose models are inside the wheel.
"""

import re
import unicodedata
from typing import Any

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.pipeline.ports import Pixels

_UNREAD = ("ARABIC", "HEBREW", "DEVANAGARI", "THAI", "BENGALI", "TAMIL", "HANGUL", "GREEK")
"""Prefixes of Unicode names of scripts that the packaged models were not trained on."""
_RUNS_ON = ("CJK", "HIRAGANA", "KATAKANA")
_PIECE = 4
"""Letters per piece in scripts without spaces: a line may break anywhere, so short pieces are compared."""


class Reader:
    """Reads text off pictures.

    Raises:
        ConfigurationError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from rapidocr import RapidOCR  # noqa: PLC0415  (takes a second to load)
        except ImportError as error:
            raise ConfigurationError(f"legibility needs pip install 'bannerstream[evaluate]' ({error})") from error
        self._engine: Any = RapidOCR(params={"Global.use_cls": False, "Global.log_level": "critical"})

    def lines(self, pixels: Pixels) -> list[str]:
        """Return the lines of text in an RGB picture, from top to bottom."""
        found = self._engine(pixels[..., ::-1])  # it takes BGR
        return list(found.txts or ())


def readable(text: str) -> bool:
    """Return whether the reader knows the letters of a text."""
    return not any(unicodedata.name(letter, "").startswith(_UNREAD) for letter in text)


def share_read(text: str, lines: list[str]) -> float:
    """Return the share of a text's letters that was read, 0 to 1, from the best match of every word.

    Case, accents and punctuation do not count.
    """
    read = "".join(map(_letters, lines))
    words = [word for word in map(_letters, _words(text)) if word]
    total = sum(map(len, words))
    return sum(len(word) - _misread(word, read) for word in words) / total if total else 1.0


def _words(text: str) -> list[str]:
    if any(unicodedata.name(letter, "").startswith(_RUNS_ON) for letter in text):
        joined = "".join(text.split())
        return [joined[start : start + _PIECE] for start in range(0, len(joined), _PIECE)]
    return text.split()


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[\W_]", "", plain)


def _misread(word: str, read: str) -> int:
    """Return the fewest edits between a word and any stretch of what was read (Sellers 1980)."""
    row = [0] * (len(read) + 1)
    for position, letter in enumerate(word, start=1):
        above, row = row, [position]
        for column, other in enumerate(read, start=1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (letter != other)))
    return min(row)
