"""Chooses one of the sets for a setting's free words."""

import re
from collections.abc import Sequence

FALLBACK = "studio"

# Earlier sets win ties. Stems match the beginning of a word, so that `garden` takes `gardening`, `gardens`;
# a blank at the end matches the whole word only: `sea ` is not in "seamless".
_WORDS = {
    scene: tuple(words.split(", "))
    for scene, words in {
        "festive": (
            "festive, christmas, xmas, holiday, party, celebrat, birthday, gift, advent, diwali, "
            "hanukkah, eid , new year, wedding, fairy light, fireplace, candlelit"
        ),
        "nursery": "nursery, baby, child, kid, toddler, playroom, crib, cot , toy, playtime, newborn",
        "stadium": (
            "stadium, pitch, arena, gym, sport, track, running, court , match , training, workout, fitness,"
            " athlet, football, soccer, marathon"
        ),
        "workshop": (
            "workshop, workbench, garage, tool, craft, carpent, studio bench, maker, atelier, shed, diy, "
            "repair, joiner, pottery"
        ),
        "bathroom": "bath, spa , shower, vanity, washbasin, sink, towel, skincare, wellness, powder room",
        "snow": "snow, winter, ski , skiing, icy, frost, glacier, alpine, slope, nordic, arctic, cold",
        "beach": (
            "beach, sand , sandy, sea , seaside, ocean, coast, shore, surf, tropic, island, pool, summer, lagoon, "
            "palm, dune, harbour, harbor, boat, sail"
        ),
        "trail": (
            "trail, mountain, forest, hik, camp, wood trail, woods, woodland, path, outdoor, wilderness, "
            "summit, valley, trek, lake, canyon, climb, nature, adventure, meadow path, river"
        ),
        "garden": (
            "garden, courtyard, patio, terrace, balcony, lawn, backyard, orchard, meadow, flower, greenhouse, "
            "picnic, park, spring, conservatory, veranda, porch, yard"
        ),
        "desk": (
            "desk, office, workspace, study, library, bookshel, laptop, home office, classroom, school, "
            "coworking, reading, living room, lounge, sofa, bedroom, nightstand, bedside, shelf, "
            "sideboard, hallway"
        ),
        "kitchen": (
            "kitchen, counter, worktop, cook, bak, breakfast, dining, cafe, café, coffee, tea , table, "
            "pantry, restaurant, brunch, dinner, lunch, stove"
        ),
        "studio": "studio, plain, backdrop, minimal, neutral, seamless, pedestal, podium, white background",
    }.items()
}
_TELLING = frozenset({"festive", "snow"})
"""Sets whose words weigh double: a snowy forest is snow first, a Christmas living room is festive first."""

_SEASON = re.compile(r"\b(summer|winter|spring)\b", re.IGNORECASE)
"""Season words, which count as a place only if no other word does: a winter garden is a garden."""


def choose(setting: str, preferred: Sequence[str], known: Sequence[str]) -> str:
    """Return the scene for a setting; else the first match of the cohort's settings, else the studio.

    The scene whose words cover most letters of the setting wins: "coffee on a garden terrace" is a garden.
    """
    for words in (setting, *preferred):
        best = _best(_SEASON.sub(" ", words), known) or _best(words, known)
        if best is not None:
            return best
    return FALLBACK


def _best(words: str, known: Sequence[str]) -> str | None:
    text = " " + re.sub(r"[\W_]+", " ", words.casefold()) + " "
    scores = {
        scene: sum(len(stem) for stem in stems if f" {stem}" in text) * (2 if scene in _TELLING else 1)
        for scene, stems in _WORDS.items()
        if scene in known
    }
    best = max(scores, key=lambda scene: scores[scene], default=None)
    return best if best is not None and scores[best] > 0 else None
