"""A describer under watch: one call at a time, and one that hangs is given up."""

from collections.abc import Sequence

from contracts.catalog import Product
from contracts.manifest import Description
from generator.ports import Describer
from generator.serving.supervised import SupervisedModel


class SupervisedDescriber:
    """A describer whose calls end: in descriptions, or in `ModelHung`, and then the lexicon stands in."""

    def __init__(self, model: SupervisedModel[Describer]) -> None:
        self._model = model
        self._revision = model.peek(lambda describer: describer.revision)

    @property
    def revision(self) -> str:
        """Name of the model and prompt."""
        return self._revision

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order.

        Raises:
            ModelHung: the model did not answer in time, or is being loaded anew.
        """
        return self._model.run(lambda describer: describer.describe(products))
