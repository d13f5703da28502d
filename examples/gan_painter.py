"""A painter of one's own: the decoder of a GAN, one pass per picture. docs/painters.md tells it line by line."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch

from bannerstream.contracts.manifest import Provenance
from bannerstream.generator.diffusion.shapes import fitted
from bannerstream.generator.pipeline.ports import Painting, SceneWish
from bannerstream.settings import GeneratorSettings


class GanPainter:
    """Paints with a TorchScript decoder: latents (n, 128) in, pictures (n, 3, height, width) from -1 to 1 out."""

    def __init__(self, settings: GeneratorSettings) -> None:
        self._name = str(settings.painter_model)
        self._decoder = torch.jit.load(self._name, map_location="cpu")

    def paint(self, wishes: Sequence[SceneWish]) -> list[Painting]:
        """Return one scene per wish: its setting chooses the latent's middle, its seed a point near by."""
        with torch.inference_mode():
            pictures = self._decoder(torch.stack([_latent(wish) for wish in wishes]))
        pixels = ((pictures.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
        said = Provenance(painter="gan@1", engine="diffusers", model=self._name)
        return [Painting(fitted(np.ascontiguousarray(each), wish.composition.size), "above", said)
                for each, wish in zip(pixels, wishes, strict=True)]  # fmt: skip


def _latent(wish: SceneWish) -> torch.Tensor:
    middle, near = (torch.Generator().manual_seed(n) for n in (crc32(wish.description.setting.encode()), wish.seed))
    return torch.randn(128, generator=middle) + 0.3 * torch.randn(128, generator=near)
