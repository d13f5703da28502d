"""Cleans text from outside before it is drawn."""

import re
import unicodedata

_SPACES = re.compile(r"[^\S\u00a0\u202f]+")
"""Excludes no-break spaces, so that a price stays in one piece."""
JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiners. Persian and Indic spelling needs them, so they stay between such letters."""
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u08ff\u0900-\u0dff])[\u200c\u200d]+")
_VARIATION_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))


def printable(text: str) -> str:
    """Return the text in NFC on one line, without control, bidi-override, private-use and unassigned characters."""
    kept = "".join(
        char if char in JOINERS or unicodedata.category(char)[0] != "C" else " " if char in "\n\r\t" else ""
        for char in unicodedata.normalize("NFC", text)
        if char not in _VARIATION_SELECTORS
    )
    return _SPACES.sub(" ", _STRAY_JOINER.sub("", kept)).strip()
