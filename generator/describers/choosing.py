"""Has a small language model choose what a product is, among what the lexicon proposes.

A model of a hundred million parameters writes worse than the lexicon reads, and chooses worse, too, where the lexicon
knows the good that is sold: there it has to be surer by a lead. It helps where the lexicon knows none: then it chooses
among the words of the title. Settings are weighed alike, beyond the model's habit (after Holtzman et al. 2021, arXiv
2104.08315: what it thinks of a setting whatever is sold is subtracted).
"""

from collections.abc import Sequence

from contracts.catalog import Product
from contracts.manifest import Description
from generator.describers import vocabulary
from generator.describers.candidates import Candidates, candidates_of
from generator.describers.language_model import LanguageModel
from generator.describers.prompts import prompt_of

LEAD_NATS = 4.0
"""How much likelier another candidate must be than the lexicon's own where that rests on a good in the title.

Measured with SmolLM2-135M on the titles that were written beside the lexicon (`words`, `rules`): below 3 it is right
less often than the lexicon alone, from 4 on as often; habits are not subtracted from subjects, which made it worse.
"""
_CATEGORY_LEAD_NATS = 2.0
"""The same where the setting rests on the category, which is right more often than a small model."""
_GOODS_PER_HABIT = 3
"""Of each setting: 36 goods, read once at the start."""
_ENDINGS = [f" {setting}\n" for setting in vocabulary.SETTINGS]


class ChoosingDescriber:
    """Describes products by the likeliest of the lexicon's candidates. Attributes are the lexicon's."""

    def __init__(self, model: LanguageModel, revision: str) -> None:
        self.revision = revision
        self._model = model
        self._settings = SettingChooser(model)

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order."""
        prompts = [prompt_of(product) for product in products]
        proposed = [candidates_of(product) for product in products]
        subjects = self._subjects(prompts, proposed)
        leads = [_leads(product, each) for product, each in zip(products, proposed, strict=True)]
        settings = self._settings.choose(prompts, subjects, leads)
        return [
            Description(
                subject=subject,
                attributes=tuple(word for word in each.own.attributes if word not in subject.split()),
                setting=setting,
                describer=self.revision,
            )
            for each, subject, setting in zip(proposed, subjects, settings, strict=True)
        ]

    def _subjects(self, prompts: Sequence[str], proposed: Sequence[Candidates]) -> list[str]:
        """Return each product's likeliest subject; where there is nothing to choose from, the model is not asked."""
        asked = [at for at, each in enumerate(proposed) if len(each.subjects) > 1]
        likely = self._model.likelihoods(
            [f"{prompts[at]}Subject:" for at in asked],
            [[f" {subject}\n" for subject in proposed[at].subjects] for at in asked],
        )
        chosen = [next(iter(each.subjects), each.own.subject) for each in proposed]
        for at, scores in zip(asked, likely, strict=True):
            leads = [LEAD_NATS if proposed[at].known and place == 0 else 0.0 for place in range(len(scores))]
            led = [score + lead for score, lead in zip(scores, leads, strict=True)]
            chosen[at] = proposed[at].subjects[max(range(len(led)), key=led.__getitem__)]
        return chosen


class SettingChooser:
    """Chooses among the twelve settings, as one that a model finds likelier than it finds it for other goods."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        goods = [good for setting in vocabulary.SETTINGS for good in _at_home_in(setting)]
        scores = self._scores([f"Product: {good}\n" for good in goods], goods)
        self._habits = [sum(of_setting) / len(goods) for of_setting in zip(*scores, strict=True)]

    def choose(self, prompts: Sequence[str], subjects: Sequence[str], leads: Sequence[dict[str, float]]) -> list[str]:
        """Return the likeliest setting of each product; `leads` are nats that single settings have ahead of others."""
        chosen = []
        for scores, lead in zip(self._scores(prompts, subjects), leads, strict=True):
            beyond = {
                setting: score - habit + lead.get(setting, 0.0)
                for setting, score, habit in zip(vocabulary.SETTINGS, scores, self._habits, strict=True)
            }
            chosen.append(max(beyond, key=beyond.__getitem__))
        return chosen

    def _scores(self, prompts: Sequence[str], subjects: Sequence[str]) -> list[list[float]]:
        told = [f"{prompt}Subject: {subject}\nSetting:" for prompt, subject in zip(prompts, subjects, strict=True)]
        return self._model.likelihoods(told, [_ENDINGS] * len(told))


def _leads(product: Product, proposed: Candidates) -> dict[str, float]:
    if proposed.known:
        return {proposed.own.setting: LEAD_NATS}
    if any(word in vocabulary.CATEGORY_SETTINGS for word in product.category.replace("_", "-").split("-")):
        return {proposed.own.setting: _CATEGORY_LEAD_NATS}
    return {}


def _at_home_in(setting: str) -> list[str]:
    return [good for good, home in vocabulary.HOME.items() if home == setting][:_GOODS_PER_HABIT]
