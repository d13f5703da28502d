"""A cohort's behaviour as natural language: the language model's input in PMG. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bannerstream.contracts.catalog import Cohort, Favourite
from bannerstream.generator.describers.titles import clean

_MOST_TITLES = 6
"""Products that are named; more would push the question out of a small model's context."""
_TITLE = 60
"""Characters kept of a title; sizes and search keywords follow after them."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a cohort likes and looks at."""

    cohort: Cohort
    favourites: tuple[Favourite, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the categories of the favourites, most frequent first."""
        counted = Counter(each.category for each in self.favourites)
        return tuple(category for category, _ in counted.most_common())

    @property
    def sentence(self) -> str:
        """Return the behaviour as a sentence. Titles come from shops, so they are cleaned and cut."""
        sentence = f"They like what is {_listed(self.cohort.mood[:4])}."
        if self.favourites:
            sentence += f" They looked at {_listed([_title(each.title) for each in self.favourites[:_MOST_TITLES]])}"
            sentence += f", mostly {_listed([each.replace('-', ' ') for each in self.categories[:3]])}."
        return sentence


def _title(title: str) -> str:
    return " ".join(clean(title)[:_TITLE].replace('"', " ").split()).rstrip(" ,;.-–|")


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)
