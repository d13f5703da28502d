"""Scores of a describer on shop titles: subject, attributes and setting against labels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bannerstream.contracts.manifest import Description
from bannerstream.generator.pipeline.ports import Describer
from bannerstream.lab.evaluation.report import Figure
from bannerstream.lab.evaluation.titles import LabelledTitle


@dataclass(frozen=True, slots=True)
class DescribingScores:
    """Scores over a set of titles."""

    titles: int
    subject: float
    """Share of titles whose subject is exactly one of the label's."""
    attribute_precision: float
    attribute_recall: float
    setting: float
    """Share of titles whose setting is one of the label's."""
    fallbacks: int
    """Titles that the describer left to its fallback."""
    seconds: float

    @property
    def attribute_f1(self) -> float:
        """Return the harmonic mean of precision and recall, over all titles together (micro)."""
        total = self.attribute_precision + self.attribute_recall
        return 2 * self.attribute_precision * self.attribute_recall / total if total else 0.0

    def row(self, describer: str, part: str) -> dict[str, Figure]:
        """Return the figures as a report's row."""
        return {
            "describer": describer,
            "part": part,
            "titles": self.titles,
            "subject": self.subject,
            "attribute_f1": self.attribute_f1,
            "setting": self.setting,
            "fallbacks": self.fallbacks,
            "titles_per_s": self.titles / self.seconds,
        }


def evaluate_describer(describer: Describer, titles: Sequence[LabelledTitle]) -> DescribingScores:
    """Return a describer's scores and speed on titles, all in one call as in a large batch."""
    products = [title.product(number) for number, title in enumerate(titles)]
    started = time.perf_counter()
    described = describer.describe(products)
    seconds = time.perf_counter() - started
    return scores_of(described, titles, seconds)


def scores_of(described: Sequence[Description], titles: Sequence[LabelledTitle], seconds: float) -> DescribingScores:
    """Return the scores of descriptions. Attributes that a label accepts but does not require are ignored."""
    right = wrong = missed = 0
    for found, label in zip(described, titles, strict=True):
        attributes, expected = set(found.attributes), set(label.attributes)
        right += len(attributes & expected)
        wrong += len(attributes - expected - set(label.accepted))
        missed += len(expected - attributes)
    pairs = list(zip(described, titles, strict=True))
    return DescribingScores(
        titles=len(pairs),
        subject=sum(found.subject in label.subjects for found, label in pairs) / max(1, len(pairs)),
        attribute_precision=right / max(1, right + wrong),
        attribute_recall=right / max(1, right + missed),
        setting=sum(found.setting in label.settings for found, label in pairs) / max(1, len(pairs)),
        fallbacks=sum(found.fallback_reason is not None for found in described),
        seconds=max(seconds, 1e-9),
    )
