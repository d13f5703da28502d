"""What a product might be called, by rules and lists: what a small language model then chooses from.

A small model cannot be trusted to write, but it can be asked which of some names a title is likeliest to mean. Nothing
can come out that is not in here: goods of the lexicon, and words that stand in an English title.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.lexicon import LexiconDescriber, goods_of, head_of, named
from bannerstream.generator.describers.titles import GAP, Segment, segments

_LONGEST_NAME = 3
"""Words of a name that is taken from the title itself."""
_SEGMENTS = 2
"""Of a title that are looked at: what is sold stands in front, what it is like behind."""
_MOST = 24
"""Candidates of one title."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a product may be."""

    own: Description
    """The lexicon's description."""
    known: bool
    """A good that the lexicon knows stands in the title; else `own` goes by the category alone."""
    placed: bool
    """Its category says where it is at home."""
    subjects: tuple[str, ...]
    """The lexicon's own first."""


def candidates_of(product: Product) -> Candidates:
    """Return what the lexicon makes of a product, and what else its title may mean."""
    (own,) = LexiconDescriber().describe([product])
    language = product.locale.partition("-")[0]
    spoken = [language, *(each for each in vocabulary.GOODS if each != language)]
    known = any(head_of(product, each) is not None for each in spoken)
    found = [own.subject] if known else []
    for segment in segments(product.title, product.brand)[:_SEGMENTS]:
        for each in dict.fromkeys((language, "en")):
            found += [named(good.name) for good in goods_of(segment, each)]
        if language == "en":
            found += _phrases(segment)
    placed = any(word in vocabulary.CATEGORY_SETTINGS for word in product.category.replace("_", "-").split("-"))
    return Candidates(own, known, placed, tuple(dict.fromkeys(found))[:_MOST])


def _phrases(segment: Segment) -> Iterator[str]:
    """Yield the runs of words that end where a name may end: not in an attribute, before what says what it is for."""
    until = next((at for at, word in enumerate(segment) if at and word in vocabulary.STOP_AT), len(segment))
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
