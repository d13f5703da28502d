"""Similarity of pictures and words, by any model that embeds both in one space, such as CLIP or SigLIP."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.devices import check_exists, device_of
from bannerstream.generator.pipeline.ports import Pixels


class Likeness(Protocol):
    """Compares pictures with words."""

    name: str
    """Its name in the manifest."""

    def similarities(self, pictures: Sequence[Pixels], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the cosine of every picture with every text, pictures x texts."""
        ...


class ClipLikeness:
    """The image-text model at a path or hub id, in safetensors.

    Raises:
        ConfigurationError: it cannot be loaded, or it has no embeddings of both pictures and words.
    """

    def __init__(self, model: str, device: str = "auto", *, setting: str = "generator.personal_model") -> None:
        self._device = device_of(device)
        check_exists(setting, model)
        self._processor, self._model = _load(model, self._device, setting)
        self.name = model.rstrip("/").rpartition("/")[2]

    def similarities(self, pictures: Sequence[Pixels], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the cosine of every picture with every text; texts are truncated to the model's limit."""
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            seen = self._processor(images=list(pictures), return_tensors="pt").to(self._device)
            read = self._processor(
                text=list(texts), return_tensors="pt", truncation=True, **_padding(self._model.config)
            )
            of_pictures = _embedding(self._model.get_image_features(**seen))
            of_texts = _embedding(self._model.get_text_features(**read.to(self._device)))
            cosines = _normed(of_pictures) @ _normed(of_texts).T
        return np.asarray(cosines.float().cpu().numpy(), np.float32)


def _padding(config: Any) -> dict[str, Any]:
    """Return how a model's texts are padded.

    SigLIP and SigLIP 2 were trained on texts padded to full length, according to their model cards: the padding affects
    the embedding. A tokenizer's own limit may be infinite, so the model's limit is used.
    """
    if config.model_type.startswith("siglip"):
        return {"padding": "max_length", "max_length": config.text_config.max_position_embeddings}
    return {"padding": True}


def _embedding(output: Any) -> Any:
    """Return the vectors, which newer versions of the library wrap in an output object."""
    return output if hasattr(output, "norm") else output.pooler_output


def _normed(vectors: Any) -> Any:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def _load(model: str, device: str, setting: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoProcessor  # noqa: PLC0415  (takes seconds: only if pictures are compared)

    try:
        processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
        loaded: Any = AutoModel.from_pretrained(model, trust_remote_code=False, use_safetensors=True)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigurationError(
            f"{setting} {model!r} cannot be loaded as an image-text model in safetensors (valid is, for example, "
            f'"/models/clip-vit-base-patch32"): {error}'
        ) from error
    if not (hasattr(loaded, "get_image_features") and hasattr(loaded, "get_text_features")):
        raise ConfigurationError(
            f"{setting}: {model} is a {type(loaded).__name__}, which does not embed both pictures and texts"
        )
    return processor, loaded.to(device).eval()
