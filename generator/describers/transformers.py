"""Describes products with any causal language model: a large model writes, a small one chooses."""

from collections.abc import Sequence
from typing import Literal

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers.choosing_describer import ChoosingDescriber
from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.describers.prompts import OPENING, PROMPT_REVISION
from bannerstream.generator.describers.writing_describer import WritingDescriber

DescriberMode = Literal["auto", "choose", "write"]

WRITES_FROM = 1_000_000_000
"""Parameters from which a model writes: SmolLM2-135M writes worse than the lexicon reads (docs/evaluation.md)."""


class TransformersDescriber:
    """Describes products with the causal language model at a path or hub id, or in a `.gguf` file.

    Raises:
        ConfigurationError: the model cannot be loaded or constrained, or the device is not there.
    """

    def __init__(self, model: str | LanguageModel, device: str = "auto", *, mode: DescriberMode = "auto") -> None:
        loaded = LanguageModel(model, device, opening=OPENING) if isinstance(model, str) else model
        self.model = loaded.with_opening(OPENING) if isinstance(model, LanguageModel) else loaded
        self.mode: DescriberMode = mode
        if mode == "auto":
            self.mode = "write" if loaded.parameters >= WRITES_FROM else "choose"
        self.revision = f"transformers:{loaded.name[:120]}@{PROMPT_REVISION}.{self.mode}.{loaded.fingerprint}"
        kind = WritingDescriber if self.mode == "write" else ChoosingDescriber
        self._describer = kind(self.model, self.revision)

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return a description per product, in order; the lexicon's where the model's is unusable."""
        return self._describer.describe(products)
