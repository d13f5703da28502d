"""Lets a small language model choose what a product is, where the lexicon does not know it.

A model of a hundred million parameters writes worse than the lexicon reads, and where the lexicon knows the good, it
chooses no better: SmolLM2-135M is right less often on the titles `words` and `rules`, and as often only if its choice
has to be e^4 times likelier. So the model runs where a title names no good of the lexicon, and chooses among the
title's words. Where neither the title nor the category decides the setting, the model's bias is subtracted: its score
of a setting averaged over all goods (after Holtzman et al. 2021, arXiv 2104.08315).
"""

from collections.abc import Sequence

import msgspec

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.candidates import Candidates, candidates_of
from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.describers.prompts import prompt_of

_GOODS_PER_SETTING = 3
"""Goods per setting that measure the model's bias: 36 in all, read once at the start."""
_ENDINGS = [f" {setting}" for setting in vocabulary.SETTINGS]
"""Without the line's end, so that most are one token, whose likelihood is known once the prompt is read."""


class ChoosingDescriber:
    """Describes products by the likeliest of the lexicon's candidates. Attributes are the lexicon's."""

    def __init__(self, model: LanguageModel, revision: str) -> None:
        self.revision = revision
        self._model = model
        self._settings = SettingChooser(model)

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order."""
        proposed = [candidates_of(product) for product in products]
        described = [msgspec.structs.replace(candidates.own, describer=self.revision) for candidates in proposed]
        open_choices = [
            index for index, candidates in enumerate(proposed) if not candidates.known and candidates.subjects
        ]
        prompts = [prompt_of(products[index]) for index in open_choices]
        subjects = self._subjects(prompts, [proposed[index] for index in open_choices])
        settings = self._settings.choose(prompts, subjects)
        for index, subject, setting in zip(open_choices, subjects, settings, strict=True):
            own = described[index]
            described[index] = msgspec.structs.replace(
                own,
                subject=subject,
                attributes=tuple(word for word in own.attributes if word not in subject.split()),
                setting=own.setting if proposed[index].placed else setting,
            )
        return described

    def _subjects(self, prompts: Sequence[str], proposed: Sequence[Candidates]) -> list[str]:
        """Return each product's likeliest subject."""
        likelihoods = self._model.likelihoods(
            [f"{prompt}Subject:" for prompt in prompts],
            [[f" {subject}\n" for subject in candidates.subjects] for candidates in proposed],
        )
        return [
            candidates.subjects[max(range(len(scores)), key=scores.__getitem__)]
            for candidates, scores in zip(proposed, likelihoods, strict=True)
        ]


class SettingChooser:
    """Chooses the setting, of twelve, whose likelihood for a product most exceeds the model's bias."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        goods = [good for setting in vocabulary.SETTINGS for good in _goods_of(setting)]
        scores = self._scores([f"Product: {good}\n" for good in goods], goods)
        self._biases = [sum(of_setting) / len(goods) for of_setting in zip(*scores, strict=True)]

    def choose(self, prompts: Sequence[str], subjects: Sequence[str]) -> list[str]:
        """Return the likeliest setting of each product."""
        chosen = []
        for scores in self._scores(prompts, subjects):
            unbiased = [score - bias for score, bias in zip(scores, self._biases, strict=True)]
            chosen.append(vocabulary.SETTINGS[max(range(len(unbiased)), key=unbiased.__getitem__)])
        return chosen

    def _scores(self, prompts: Sequence[str], subjects: Sequence[str]) -> list[list[float]]:
        extended = [f"{prompt}Subject: {subject}\nSetting:" for prompt, subject in zip(prompts, subjects, strict=True)]
        return self._model.likelihoods(extended, [_ENDINGS] * len(extended))


def _goods_of(setting: str) -> list[str]:
    return [good for good, home in vocabulary.HOME.items() if home == setting][:_GOODS_PER_SETTING]
