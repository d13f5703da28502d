"""Activates brands' adapters on a pipeline, one at a time, and keeps the last few of them loaded."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import structlog

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.diffusion.brands import Adapter
from bannerstream.generator.diffusion.families import Family

log = structlog.get_logger(__name__)


class AdapterCache:
    """The adapters of one pipeline. Up to `capacity` LoRAs stay loaded: activating one of them takes milliseconds.

    Textual inversions stay loaded: each is a few kilobytes and only affects prompts that contain its word.

    The constructor loads every adapter once, so that one that does not fit stops the start and not a banner.

    Raises:
        ConfigurationError: an adapter belongs to another family, or the family does not take its kind.
    """

    def __init__(self, pipeline: Any, adapters: Iterable[Adapter], *, capacity: int, family: Family | None) -> None:
        self._pipeline = pipeline
        self._capacity = capacity
        self._family = family
        self._loaded: OrderedDict[str, Adapter] = OrderedDict()
        for adapter in adapters:
            self._check_fits(adapter)
        self.activate(None)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Return the names of the LoRAs in memory, most recently used last."""
        return tuple(self._loaded)

    def activate(self, adapter: Adapter | None) -> None:
        """Make the pipeline paint with this adapter, or with none."""
        if adapter is not None and adapter.kind == "lora":
            self._fetch(adapter)
            self._pipeline.enable_lora()
            self._pipeline.set_adapters([adapter.name], [adapter.weight])
        elif self._loaded:
            self._pipeline.disable_lora()

    def _fetch(self, adapter: Adapter) -> None:
        """Load a LoRA unless it is loaded, after unloading the least recently used beyond `capacity`."""
        if adapter.name in self._loaded:
            self._loaded.move_to_end(adapter.name)
            return
        while len(self._loaded) >= self._capacity:
            _, oldest = self._loaded.popitem(last=False)
            self._pipeline.delete_adapters(oldest.name)
            log.debug("adapter_unloaded", adapter=oldest.name)
        _load_lora(self._pipeline, adapter)
        self._loaded[adapter.name] = adapter

    def _check_fits(self, adapter: Adapter) -> None:
        """Activate a LoRA, or add a textual inversion's word.

        Raises:
            ConfigurationError: the adapter does not fit the model.
        """
        kind = type(self._pipeline).__name__
        if adapter.kind == "textual-inversion" and not (self._family is not None and self._family.textual_inversion):
            raise ConfigurationError(
                f"generator.diffusion.brands: {adapter.file} is a textual inversion, which a {kind} cannot learn from; "
                "use a LoRA, or a model of Stable Diffusion 1, 2 or XL"
            )
        if adapter.kind == "lora" and not hasattr(self._pipeline, "load_lora_weights"):
            raise ConfigurationError(f"generator.diffusion.brands: a {kind} takes no LoRA; leave {adapter.file} out")
        try:
            if adapter.kind == "lora":
                self.activate(adapter)
            else:
                _teach(self._pipeline, adapter)
        except Exception as error:  # the libraries raise anything for weights that do not fit
            raise ConfigurationError(
                f"generator.diffusion.brands: {adapter.file} does not fit generator.painter_model, a {kind}; was it "
                f"trained for another family? ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
            ) from error


def _load_lora(pipeline: Any, adapter: Adapter) -> None:
    pipeline.load_lora_weights(
        str(adapter.file.parent),
        weight_name=adapter.file.name,
        adapter_name=adapter.name,
        use_safetensors=True,
        local_files_only=True,
    )
    if not any(adapter.name in names for names in pipeline.get_list_adapters().values()):
        raise ValueError("no weight in it is called as a part of this model")


def _teach(pipeline: Any, adapter: Adapter) -> None:
    """Add a word to the text encoders. A file for two encoders names them, as diffusers' own training does."""
    from safetensors.torch import load_file  # noqa: PLC0415

    taught = load_file(adapter.file)
    readers = _readers(pipeline)
    for key, tokenizer, encoder in readers:
        vectors = taught.get(key) if len(readers) > 1 else next(iter(taught.values()))
        if vectors is None:
            raise ValueError(f"it has nothing under {key}; it holds {', '.join(sorted(taught))}")
        pipeline.load_textual_inversion(
            {adapter.trigger: vectors}, token=adapter.trigger, tokenizer=tokenizer, text_encoder=encoder
        )


def _readers(pipeline: Any) -> list[tuple[str, Any, Any]]:
    """Return the prompt's encoders: (name in a textual inversion, tokenizer, encoder)."""
    readers = [("clip_l", pipeline.tokenizer, pipeline.text_encoder)]
    if getattr(pipeline, "text_encoder_2", None) is not None:
        readers.append(("clip_g", pipeline.tokenizer_2, pipeline.text_encoder_2))
    return readers
