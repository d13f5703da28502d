"""Has a small language model choose what a product is, where the lexicon does not know it.

A model of a hundred million parameters writes worse than the lexicon reads, and where the lexicon knows the good that
is sold, chooses no better: SmolLM2-135M is right less often on the titles `words` and `rules`, unless its choice has to
be e^4 times likelier, and then as often. So it is asked where a title names no good that the lexicon knows: it chooses
among the words of the title. A setting that neither the title nor the category tells is weighed beyond the model's
habit (after Holtzman et al. 2021, arXiv 2104.08315: what it thinks of a setting whatever is sold is subtracted).
"""

from collections.abc import Sequence

import msgspec

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.candidates import Candidates, candidates_of
from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.describers.prompts import prompt_of

_GOODS_PER_HABIT = 3
"""Of each setting: 36 goods, read once at the start."""
_ENDINGS = [f" {setting}" for setting in vocabulary.SETTINGS]
"""Without the line's end: most are one token then, whose likelihood is known once the prompt is read."""


class ChoosingDescriber:
    """Describes products by the likeliest of the lexicon's candidates. Attributes are the lexicon's."""

    def __init__(self, model: LanguageModel, revision: str) -> None:
        self.revision = revision
        self._model = model
        self._settings = SettingChooser(model)

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order."""
        proposed = [candidates_of(product) for product in products]
        described = [msgspec.structs.replace(each.own, describer=self.revision) for each in proposed]
        asked = [at for at, each in enumerate(proposed) if not each.known and each.subjects]
        prompts = [prompt_of(products[at]) for at in asked]
        subjects = self._subjects(prompts, [proposed[at] for at in asked])
        settings = self._settings.choose(prompts, subjects)
        for at, subject, setting in zip(asked, subjects, settings, strict=True):
            own = described[at]
            described[at] = msgspec.structs.replace(
                own,
                subject=subject,
                attributes=tuple(word for word in own.attributes if word not in subject.split()),
                setting=own.setting if proposed[at].placed else setting,
            )
        return described

    def _subjects(self, prompts: Sequence[str], proposed: Sequence[Candidates]) -> list[str]:
        """Return each product's likeliest subject."""
        likely = self._model.likelihoods(
            [f"{prompt}Subject:" for prompt in prompts],
            [[f" {subject}\n" for subject in each.subjects] for each in proposed],
        )
        return [
            each.subjects[max(range(len(scores)), key=scores.__getitem__)]
            for each, scores in zip(proposed, likely, strict=True)
        ]


class SettingChooser:
    """Chooses among the twelve settings, as one that a model finds likelier than it finds it for other goods."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        goods = [good for setting in vocabulary.SETTINGS for good in _at_home_in(setting)]
        scores = self._scores([f"Product: {good}\n" for good in goods], goods)
        self._habits = [sum(of_setting) / len(goods) for of_setting in zip(*scores, strict=True)]

    def choose(self, prompts: Sequence[str], subjects: Sequence[str]) -> list[str]:
        """Return the likeliest setting of each product."""
        chosen = []
        for scores in self._scores(prompts, subjects):
            beyond = [score - habit for score, habit in zip(scores, self._habits, strict=True)]
            chosen.append(vocabulary.SETTINGS[max(range(len(beyond)), key=beyond.__getitem__)])
        return chosen

    def _scores(self, prompts: Sequence[str], subjects: Sequence[str]) -> list[list[float]]:
        told = [f"{prompt}Subject: {subject}\nSetting:" for prompt, subject in zip(prompts, subjects, strict=True)]
        return self._model.likelihoods(told, [_ENDINGS] * len(told))


def _at_home_in(setting: str) -> list[str]:
    return [good for good, home in vocabulary.HOME.items() if home == setting][:_GOODS_PER_HABIT]
