"""The word lists of the lexicon, read once from `words/`: English in full, the common goods of other languages."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_WORDS = files("bannerstream.generator.describers") / "words"


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_WORDS / f"{name}.toml").read_text("utf-8"))


def _by_word(table: Mapping[str, str], separator: str | None = None) -> dict[str, str]:
    """Return each word's heading."""
    return {" ".join(word.split()): heading for heading, words in table.items() for word in words.split(separator)}


def _by_synonym(table: Mapping[str, str]) -> dict[str, str]:
    """Return the English word of each foreign word; a key lists synonyms."""
    return {word: english for synonyms, english in table.items() for word in synonyms.split("|")}


def _phrase(entry: str) -> str:
    return entry.replace("-", " ")


_english = _read("english")
_grammar = {name: frozenset(words.split()) for name, words in _english["grammar"].items()}
_abroad = {language: _read(language) for language in ("de", "fr", "es", "ja", "ar")}

HOME: dict[str, str] = _by_word(_english["goods"], ",")
"""Every good of the lexicon, with its home setting."""
SETTINGS: tuple[str, ...] = tuple(_english["goods"])
"""Every setting of a description: the scenes that the studio can draw."""

GOODS = {"en": {_phrase(good): good for good in HOME}} | {
    language: _by_synonym(table["goods"]) for language, table in _abroad.items()
}
"""Per language: a phrase as titles spell it (hyphens are spaces), and the good's English name."""

MATERIALS = frozenset(_phrase(word) for word in _english["attributes"]["materials"].split())
ATTRIBUTES = {
    "en": {
        _phrase(word): word if kind == "styles" else _phrase(word)
        for kind in ("styles", "materials", "colours")
        for word in _english["attributes"][kind].split()
    }
} | {language: _by_synonym(table["attributes"]) for language, table in _abroad.items()}
"""Per language: a phrase as titles spell it, and its English words."""

PAIRED = _grammar["paired"]
MODIFIERS = _grammar["modifiers"]
CONTAINERS = _grammar["containers"]
STOP_AT = _grammar["stop_at"]
NEGATIONS = _grammar["negations"]
NEGATED_BY_NEXT = _grammar["negated_by_next"]

SETTING_HINTS = _by_word(_english["setting_hints"])
CATEGORY_SETTINGS = _by_word(_english["category_settings"])
CATEGORY_SUBJECTS: dict[str, str] = _english["category_subjects"]

HEAD_FIRST = frozenset({"fr", "es", "it", "pt", "ar", "he"})
"""Languages that name the good before its description."""
UNSPACED = frozenset({"ja"})
"""Languages written without spaces: words are searched inside the text."""
