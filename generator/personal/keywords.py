"""Preference keywords by rules, target keywords, and the style words that a model may choose from. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers.lexicon import LexiconDescriber
from bannerstream.generator.personal.behaviour import Behaviour

STYLES = (
    *("rustic", "minimalist", "scandinavian", "cosy", "elegant", "luxurious", "vintage", "retro", "industrial"),
    *("bohemian", "playful", "colourful", "pastel", "neon", "futuristic", "sleek", "sporty", "dynamic", "rugged"),
    *("wild", "natural", "earthy", "floral", "tropical", "coastal", "wintry", "festive", "romantic", "dreamy"),
    *("moody", "dramatic", "bright", "airy", "warm", "golden", "candlelit", "cinematic", "urban", "handmade"),
    *("geometric", "soft", "serene", "bold", "vibrant", "nostalgic", "clean", "sunny", "crisp"),
)
"""Style words that change a scene's look and that every text encoder knows."""

MOST_KEYWORDS = 5
"""Most keywords per kind: CLIP reads 77 tokens, and the scene needs half of them."""


class KeywordWriter(Protocol):
    """Turns behaviour into preference keywords, the most characteristic first."""

    def keywords(self, behaviours: Sequence[Behaviour]) -> list[tuple[str, ...]]:
        """Return, per behaviour and in order, at most `MOST_KEYWORDS` keywords."""
        ...


class ListedKeywords:
    """Preference keywords by rules: what the cohort's products have in common, then its moods."""

    def keywords(self, behaviours: Sequence[Behaviour]) -> list[tuple[str, ...]]:
        """Return the attributes shared by most favourites, then moods."""
        return [_listed(behaviour) for behaviour in behaviours]


def target_keywords(description: Description, *, whole: bool) -> tuple[str, ...]:
    """Return what the picture must show: product and setting if the product is painted (`whole`), else the setting."""
    if whole:
        return (" ".join([*description.attributes[:3], description.subject]), description.setting)
    return (description.setting,)


def _listed(behaviour: Behaviour) -> tuple[str, ...]:
    shared = [attribute for attribute, count in common_attributes(behaviour) if count > 1]
    return tuple(dict.fromkeys([*shared[:3], *behaviour.cohort.mood]))[:MOST_KEYWORDS]


def common_attributes(behaviour: Behaviour) -> list[tuple[str, int]]:
    """Return the attributes of the cohort's favourites with their counts, most common first."""
    described = LexiconDescriber().describe(
        [_product(behaviour, number) for number in range(len(behaviour.favourites))]
    )
    return Counter(attribute for each in described for attribute in each.attributes).most_common()


def _product(behaviour: Behaviour, number: int) -> Product:
    favourite = behaviour.favourites[number]
    return Product(
        product_id=f"favourite-{number}",
        title=favourite.title,
        category=favourite.category,
        locale=favourite.locale,
        cohorts={behaviour.cohort.cohort_id: 1.0},
    )
