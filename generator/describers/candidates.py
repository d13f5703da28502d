"""Lists the possible names of a product, by rules and word lists; a small language model then chooses one.

A small model writes unreliably, but it can rank the names that a title may mean. The result is always one of these
candidates: goods of the lexicon, and words of an English title.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.lexicon import LexiconDescriber, goods_of, head_of, named
from bannerstream.generator.describers.titles import GAP, Segment, segments

_LONGEST_NAME = 3
"""Words of a name from the title itself."""
_SEGMENTS = 2
"""Segments of a title that are read: the good stands in front, its properties behind."""
_MOST = 24
"""Candidates per title."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The possible names of a product."""

    own: Description
    """The lexicon's description."""
    known: bool
    """The title names a good of the lexicon; otherwise `own` follows from the category alone."""
    placed: bool
    """The category decides the setting."""
    subjects: tuple[str, ...]
    """The candidates, the lexicon's own first."""


def candidates_of(product: Product) -> Candidates:
    """Return the lexicon's description of a product, and the other names that its title may mean."""
    (own,) = LexiconDescriber().describe([product])
    language = product.locale.partition("-")[0]
    languages = [language, *(other for other in vocabulary.GOODS if other != language)]
    known = any(head_of(product, language) is not None for language in languages)
    found = [own.subject] if known else []
    for segment in segments(product.title, product.brand)[:_SEGMENTS]:
        for title_language in dict.fromkeys((language, "en")):
            found += [named(good.name) for good in goods_of(segment, title_language)]
        if language == "en":
            found += _phrases(segment)
    placed = any(word in vocabulary.CATEGORY_SETTINGS for word in product.category.replace("_", "-").split("-"))
    return Candidates(own, known, placed, tuple(dict.fromkeys(found))[:_MOST])


def _phrases(segment: Segment) -> Iterator[str]:
    """Yield the runs of words that may be a name: before the purpose ("for ..."), not ending in an attribute."""
    until = next((index for index, word in enumerate(segment) if index and word in vocabulary.STOP_AT), len(segment))
    for end in range(until, 0, -1):
        if not _may_be_named(segment[end - 1]):
            continue
        for start in range(end - 1, max(-1, end - 1 - _LONGEST_NAME), -1):
            if not _may_describe(segment[start]):
                break
            yield " ".join(segment[start:end])


def _may_be_named(word: str) -> bool:
    return _may_describe(word) and word not in vocabulary.ATTRIBUTES["en"]


def _may_describe(word: str) -> bool:
    return word != GAP and len(word) > 1 and word.isascii() and word.replace("'", "").isalpha()
