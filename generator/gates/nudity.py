"""A nudity classifier: any image classifier of transformers, by path, in safetensors only."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.devices import check_exists, device_of
from bannerstream.generator.pipeline.ports import Pixels

_SETTING = "generator.gates.nudity_model"
_NUDE = ("nsfw", "nude", "nudity", "porn", "explicit", "hentai", "sexy", "unsafe")
"""Words in the labels of public classifiers that mean nudity; labels are split at anything but letters."""
_NOT = ("not", "non", "no", "un", "safe", "sfw", "normal", "neutral")


class TransformersNudity:
    """Sums the probabilities of the labels that mean nudity; implements `generator.pipeline.ports.NudityClassifier`.

    Raises:
        ConfigurationError: the model cannot be loaded, or none of its labels means nudity.
    """

    def __init__(self, model: str, *, device: str = "auto") -> None:
        self._device = device_of(device)
        check_exists(_SETTING, model)
        from transformers import AutoModelForImageClassification  # noqa: PLC0415  (takes seconds: only with a model)
        from transformers.image_processing_base import ImageProcessingMixin  # noqa: PLC0415

        options = {"local_files_only": Path(model).exists()}
        try:
            self._preprocessor = _Preprocessor(ImageProcessingMixin.get_image_processor_dict(model, **options)[0])
            loaded = AutoModelForImageClassification.from_pretrained(model, use_safetensors=True, **options)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ConfigurationError(
                f"{_SETTING} {model!r} cannot be loaded as an image classifier in safetensors (valid is, for example, "
                f'"/models/nsfw_image_detection"): {error}'
            ) from error
        self._model = loaded.to(self._device).eval()
        labels = self._model.config.id2label
        self._nude_labels = [index for index, label in labels.items() if means_nudity(label)]
        if not self._nude_labels:
            raise ConfigurationError(
                f"{_SETTING} {model!r} has the labels {', '.join(map(str, labels.values()))}; one of them must be "
                f"among {', '.join(_NUDE)}"
            )

    def probability(self, pixels: Pixels) -> float:
        """Return how likely an RGB picture shows nudity, 0 to 1. Not thread-safe."""
        import torch  # noqa: PLC0415

        batch = torch.from_numpy(self._preprocessor.of(pixels)).to(self._device)
        with torch.inference_mode():
            probabilities = self._model(pixel_values=batch).logits.float().softmax(dim=-1)[0]
        return float(probabilities[self._nude_labels].sum())


class _Preprocessor:
    """Scales a whole picture to a classifier's input size and brightness.

    The classifier's own processor crops the middle of a wide banner, and needs torchvision.
    """

    def __init__(self, processor: dict[str, Any]) -> None:
        size = processor.get("crop_size") or processor["size"]
        side = size if isinstance(size, int) else size.get("shortest_edge")
        self._size = (int(side or size["width"]), int(side or size["height"]))
        self._mean = np.array(processor.get("image_mean", (0.5, 0.5, 0.5)), np.float32)
        self._std = np.array(processor.get("image_std", (0.5, 0.5, 0.5)), np.float32)

    def of(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return a batch of one, channels first."""
        small = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return np.ascontiguousarray(((small - self._mean) / self._std).transpose(2, 0, 1)[None], np.float32)


def means_nudity(label: str) -> bool:
    """Return whether a classifier's label names nudity: `nsfw`, `Porn`, `explicit_nudity`, but not `non_nude`."""
    words = "".join(letter if letter.isalpha() else " " for letter in str(label).lower()).split()
    return any(word in _NUDE for word in words) and not any(word in _NOT for word in words)
