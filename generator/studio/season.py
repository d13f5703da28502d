"""The seasons outdoors, and the one that a request's words name."""

import re
from collections.abc import Iterable
from typing import Literal, get_args

Season = Literal["spring", "summer", "autumn", "winter"]
SEASONS: tuple[Season, ...] = get_args(Season)

_WORDS: dict[Season, str] = {
    "spring": r"spring|easter|blossom|cherry tree|tulip|daffodil",
    "autumn": r"autumn|fall foliage|fallen lea|harvest|october|halloween|thanksgiving|pumpkin|indian summer",
    "winter": r"winter|christmas|xmas|snow|frost|advent|icy|ski",
    "summer": r"summer|beach|midsummer|heatwave|holiday by the sea",
}
"""Beginnings of words. If a text names two seasons, the earlier entry wins."""
_PATTERNS = {season: re.compile(rf"\b(?:{words})", re.IGNORECASE) for season, words in _WORDS.items()}


def season_of(texts: Iterable[str]) -> Season:
    """Return the season that the first text names; summer, when plants are green, if none does.

    The calendar does not decide: a banner is made once and shown for as long as its key lives. A shop that wants
    autumn writes it into the cohort's settings or mood, which makes new banners.
    """
    for text in texts:
        for season, pattern in _PATTERNS.items():
            if pattern.search(text):
                return season
    return "summer"
