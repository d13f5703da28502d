"""A supervised language model: one call at a time, each with a time limit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.personal.behaviour import Behaviour
from bannerstream.generator.pipeline.ports import Describer
from bannerstream.generator.serving.supervised import SupervisedModel

if TYPE_CHECKING:
    from bannerstream.generator.describers.transformers import TransformersDescriber
    from bannerstream.generator.personal.model_keywords import ModelKeywords

D = TypeVar("D", bound=Describer)


class SupervisedDescriber(Generic[D]):
    """A describer whose calls always end: with descriptions, or with `ModelHung`, and then the lexicon describes."""

    def __init__(self, model: SupervisedModel[D]) -> None:
        self._model = model
        self._revision = model.inspect(lambda describer: describer.revision)

    @property
    def revision(self) -> str:
        """Name of the model and prompt."""
        return self._revision

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order.

        Raises:
            ModelHung: the model did not answer in time, or is being reloaded.
        """
        return self._model.run(lambda describer: describer.describe(products))


class SupervisedKeywords:
    """Preference keywords from the describing model; the calls take turns."""

    def __init__(self, model: "SupervisedModel[TransformersDescriber]") -> None:
        self._model = model
        self._cached: tuple[TransformersDescriber, ModelKeywords] | None = None

    def keywords(self, behaviours: Sequence[Behaviour]) -> list[tuple[str, ...]]:
        """Return, per behaviour and in order, its keywords.

        Raises:
            ModelHung: the model did not answer in time, or is being reloaded.
        """
        return self._model.run(lambda describer: self._writer(describer).keywords(behaviours))

    def _writer(self, describer: "TransformersDescriber") -> "ModelKeywords":
        from bannerstream.generator.personal.model_keywords import ModelKeywords  # noqa: PLC0415  (torch loads only with a model)

        if self._cached is None or self._cached[0] is not describer:  # the first call, and the first after a reload
            self._cached = (describer, ModelKeywords(describer.model))
        return self._cached[1]
