"""A painter of one's own: the decoder of a GAN, one pass per picture. docs/painters.md tells it line by line."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch

from bannerstream.contracts.manifest import Provenance
from bannerstream.generator.diffusion.shapes import fitted
from bannerstream.generator.pipeline.ports import Painting, SceneRequest
from bannerstream.settings import GeneratorSettings


class GanPainter:
    """Paints with a TorchScript decoder: latents (n, 128) in, pictures (n, 3, height, width) from -1 to 1 out."""

    def __init__(self, settings: GeneratorSettings) -> None:
        self._name = str(settings.painter_model)
        self._decoder = torch.jit.load(self._name, map_location="cpu")

    def paint(self, scenes: Sequence[SceneRequest]) -> list[Painting]:
        """Return one painting per scene: its setting chooses the latent's middle, its seed a point near by."""
        with torch.inference_mode():
            pictures = self._decoder(torch.stack([_latent(scene) for scene in scenes]))
        pixels = ((pictures.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
        provenance = Provenance(painter="gan@1", engine="diffusers", model=self._name)
        return [Painting(fitted(np.ascontiguousarray(picture), scene.composition.size), "above", provenance)
                for picture, scene in zip(pixels, scenes, strict=True)]  # fmt: skip


def _latent(scene: SceneRequest) -> torch.Tensor:
    middle, near = (torch.Generator().manual_seed(n) for n in (crc32(scene.description.setting.encode()), scene.seed))
    return torch.randn(128, generator=middle) + 0.3 * torch.randn(128, generator=near)
