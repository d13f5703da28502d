"""Supervised models of pictures: one call at a time, each with a time limit."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.personal.likeness import Likeness
from bannerstream.generator.pipeline.ports import NudityClassifier, Pixels
from bannerstream.generator.serving.supervised import SupervisedModel

L = TypeVar("L", bound=Likeness)
N = TypeVar("N", bound=NudityClassifier)


class SupervisedLikeness(Generic[L]):
    """A likeness whose calls always end: with numbers, or with `ModelHung`, and then the first picture is kept."""

    def __init__(self, model: SupervisedModel[L]) -> None:
        self._model = model
        self.name = model.inspect(lambda likeness: likeness.name)

    def similarities(self, pictures: Sequence[Pixels], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the cosine of every picture with every text.

        Raises:
            ModelHung: the model did not answer in time, or is being reloaded.
        """
        return self._model.run(lambda likeness: likeness.similarities(pictures, texts))


class SupervisedNudity(Generic[N]):
    """A classifier whose calls always end: with a probability, or with `ModelHung`, and then the picture is blocked."""

    def __init__(self, model: SupervisedModel[N]) -> None:
        self._model = model

    def probability(self, pixels: Pixels) -> float:
        """Return how likely an RGB picture shows nudity, 0 to 1.

        Raises:
            ModelHung: the model did not answer in time, or is being reloaded.
        """
        return self._model.run(lambda classifier: classifier.probability(pixels))
