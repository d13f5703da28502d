"""Phrases of the copywriter, one TOML file per language, written by hand.

`[tones]` maps a cohort's mood words to a tone. `[mood.<tone>]` holds mood lines, by the category's part of life and
`any`. A mood line names a moment or a feeling and states nothing about a product: no "best", no "new", no numbers, no
promise. `[call]` holds calls to action; `{category}` is the category in words.
"""

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fontTools import unicodedata as scripts

_LIVES = {
    "table": ("kitchen", "mug", "cup", "cook", "coffee", "tea", "tableware", "bake", "dining", "food", "drink"),
    "green": ("garden", "plant", "outdoor", "patio", "flower"),
    "sea": ("beach", "swim", "surf", "pool", "seaside"),
    "play": ("sport", "fitness", "gym", "yoga", "football", "training", "running"),
    "cold": ("winter", "snow", "ski", "sled", "scarf", "scarves", "glove"),
    "away": ("hike", "hiking", "camp", "travel", "bike", "bag", "luggage", "bottle"),
    "desk": ("desk", "office", "book", "stationery", "paper", "electronic", "audio", "computer", "headphone", "lamp"),
    "kids": ("kid", "baby", "toy", "nursery", "child", "game"),
    "hands": ("tool", "workshop", "diy", "hardware", "craft", "repair"),
    "home": ("home", "living", "bed", "bath", "candle", "decor", "furniture", "textile", "blanket", "light", "linen"),
    "self": ("beauty", "care", "skin", "fashion", "cloth", "shoe", "jewel", "watch", "wear", "accessor", "wellness"),
}
"""Parts of life, each with the stems of its categories' words."""
_PLAIN_NOUN_CHARS = 14
_LIFE_WEIGHT = 2
"""A line for the product's part of life is twice as likely as a line that suits anything."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases of one language."""

    language: str
    script: str
    tones: dict[str, str]
    mood: dict[str, dict[str, tuple[str, ...]]]
    calls: tuple[str, ...]
    calls_with_category: tuple[str, ...]

    def mood_lines(self, mood: Sequence[str], category: str) -> tuple[str, ...]:
        """Return the lines for this category's part of life in the tone of most of a cohort's mood words."""
        found = Counter(tone for phrase in mood for tone in self._tones_of(phrase))
        if not found:
            return ()
        lines = self.mood[found.most_common(1)[0][0]]
        life = _life(category)
        return lines.get(life, ()) * _LIFE_WEIGHT + lines["any"] if life else lines["any"]

    def _tones_of(self, phrase: str) -> list[str]:
        """Return the tone of a whole phrase ("fresh air"), else the tones of its words."""
        phrase = phrase.casefold().replace("-", " ")
        wordings = [phrase] if phrase in self.tones else phrase.split()
        return [self.tones[word] for word in wordings if word in self.tones]

    def calls_to_action(self, category: str, title: str) -> tuple[str, ...]:
        """Return the fitting calls: with the category where it is the plural of a noun in the title (`mugs`).

        A department ("sports", "electronics") is a plural too, but nobody shops for a sport.
        """
        noun = category.replace("-", " ").replace("_", " ")
        plain = noun.endswith("s") and noun.replace(" ", "").isalpha() and noun[:-1] in title.casefold()
        if self.calls_with_category and plain and len(noun) <= _PLAIN_NOUN_CHARS:
            return tuple(call.format(category=noun) for call in self.calls_with_category)
        return self.calls

    @staticmethod
    def script_of(text: str) -> str:
        """Return the script of most letters of a text; kana and Han count as one."""
        counts: dict[str, int] = {}
        for char in text:
            if char.isalpha():
                script = scripts.script(char)
                script = "Jpan" if script in {"Hira", "Kana", "Hani"} else script
                counts[script] = counts.get(script, 0) + 1
        return max(counts, key=lambda script: counts[script]) if counts else "Latn"


@cache
def phrases_for(language: str) -> Phrases | None:
    """Return the phrases of a language, or None without any."""
    file = resources.files(__name__) / f"{language}.toml"
    if not file.is_file():
        return None
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return Phrases(
        language=language,
        script=table["script"],
        tones={word: tone for tone, words in _tones().items() for word in words},
        mood={tone: {life: tuple(lines) for life, lines in by.items()} for tone, by in table["mood"].items()},
        calls=tuple(table["call"]["plain"]),
        calls_with_category=tuple(table["call"].get("category", ())),
    )


def languages() -> tuple[str, ...]:
    """Return the languages that have phrases."""
    names = (file.name for file in resources.files(__name__).iterdir())
    return tuple(
        sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml") and name != "tones.toml")
    )


@cache
def _tones() -> dict[str, list[str]]:
    """Return the tones and their mood words, which are English in every cohort, whatever its banners' language."""
    file = resources.files(__name__) / "tones.toml"
    tones: dict[str, list[str]] = tomllib.loads(file.read_text(encoding="utf-8"))["tones"]
    return tones


def _life(category: str) -> str | None:
    words = category.replace("_", "-").split("-")
    return next(
        (life for life, stems in _LIVES.items() if any(word.startswith(stem) for word in words for stem in stems)), None
    )
