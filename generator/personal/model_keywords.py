"""Preference keywords by a language model: the styles that a cohort's behaviour makes likelier than usual."""

from collections.abc import Sequence

from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.personal.behaviour import Behaviour
from bannerstream.generator.personal.keywords import MOST_KEYWORDS, STYLES, common_attributes

_EXAMPLES = """\
Customers: They like what is quiet, wooden. They looked at Oak Side Table, Wool Blanket, mostly living room.
Style of the pictures they love: scandinavian

Customers: They like what is loud, sporty. They looked at Running Shoes Neon, Gym Bag, mostly fitness.
Style of the pictures they love: dynamic

Customers: They like what is romantic, old. They looked at Lace Curtain, Porcelain Vase, mostly decor.
Style of the pictures they love: nostalgic

"""
_SHARED = 2
"""Keywords taken from the favourites' common attributes: no list of styles has every material."""


class ModelKeywords:
    """Chooses among `STYLES` by likelihood above the baseline; text from a shop cannot become a keyword.

    A style's baseline is its likelihood for customers about whom nothing is known (as in `describers.choosing`).
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model.with_opening(_EXAMPLES)
        (self._habits,) = self._model.likelihoods([_prompt("They like many things.")], [_ENDINGS])

    def keywords(self, behaviours: Sequence[Behaviour]) -> list[tuple[str, ...]]:
        """Return, per behaviour and in order, at most `MOST_KEYWORDS` keywords."""
        prompts = [_prompt(behaviour.sentence) for behaviour in behaviours]
        likely = self._model.likelihoods(prompts, [_ENDINGS] * len(prompts))
        return [self._chosen(behaviour, row) for behaviour, row in zip(behaviours, likely, strict=True)]

    def _chosen(self, behaviour: Behaviour, likely: Sequence[float]) -> tuple[str, ...]:
        beyond = [each - habit for each, habit in zip(likely, self._habits, strict=True)]
        styles = [STYLES[index] for index in sorted(range(len(STYLES)), key=beyond.__getitem__, reverse=True)]
        shared = [attribute for attribute, count in common_attributes(behaviour) if count > 1][:_SHARED]
        return tuple(dict.fromkeys([*styles[: MOST_KEYWORDS - len(shared)], *shared]))


def _prompt(sentence: str) -> str:
    return f"Customers: {sentence}\nStyle of the pictures they love:"


_ENDINGS = [f" {style}\n" for style in STYLES]
