"""Finds blocked words, whole words or phrases, in any encoding of their letters. Pure, except for reading the list.

Text is compared after NFKC (full-width letters and ligatures become plain ones), case folding, and the removal of
invisible characters (Unicode category Cf: zero-width joiners, soft hyphens, bidi marks), by UAX #15 and #31. Accents
count: "schön" is not "schon". In scripts without spaces, a word matches anywhere.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from bannerstream.contracts.errors import ConfigurationError

_COMMENT = "#"
_NO_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts without spaces, by the prefixes of their letters' Unicode names."""


class BlockedWords:
    """Words and phrases that must not appear on a banner or reach a model."""

    def __init__(self, words: Iterable[str]) -> None:
        normal = sorted({form for word in words if (form := normalised(word))}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_bounded, normal))) if normal else None

    @classmethod
    def read(cls, path: Path) -> "BlockedWords":
        """Return the list in a text file: one word or phrase a line; empty lines and # comments are skipped.

        Raises:
            ConfigurationError: the file cannot be read, is not UTF-8, or holds no word.
        """
        try:
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"generator.gates.blocked_words: {path} cannot be read: {error}") from error
        words = [line for line in lines if line and not line.startswith(_COMMENT)]
        if not words:
            raise ConfigurationError(
                f"generator.gates.blocked_words: {path} holds no word; write one a line, or leave the setting out"
            )
        return cls(words)

    def found(self, texts: Iterable[str]) -> str | None:
        """Return the first blocked word in any of the texts, as the list has it in normal form, or None."""
        if self._pattern is None:
            return None
        matches = (match for text in texts for match in self._pattern.finditer(normalised(text)) if _ends(match))
        return next((match.group() for match in matches), None)


def normalised(text: str) -> str:
    """Return a text's one form for comparing: NFKC, case folded, nothing invisible, single spaces."""
    # NFKC runs twice: folding may leave composable letters, and removing invisible characters may join parts.
    visible = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())


def _bounded(word: str) -> str:
    """Return the pattern of a word; where its script has word boundaries, it does not match inside a longer word."""
    start = "" if _runs_on(word[0]) else r"(?<!\w)"
    end = "" if _runs_on(word[-1]) else r"(?!\w)"
    return start + re.escape(word) + end


def _ends(match: re.Match[str]) -> bool:
    """Return whether a match ends at a word's end: a vowel sign right after it belongs to the word."""
    after = match.string[match.end() : match.end() + 1]
    return not after or unicodedata.category(after)[0] != "M" or _runs_on(match.group()[-1])


def _runs_on(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(_NO_SPACES)
