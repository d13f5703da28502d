"""What shapes a loaded pipeline can paint."""

import math
from typing import Any

from bannerstream.generator.diffusion.shapes import WIDEST

_PIPELINES_ASK_FOR, _SANA_ASKS_FOR = 8, 32
"""Every pipeline refuses sides that these do not divide, whatever its VAE."""
_PACKED = 2
"""FLUX packs 2 x 2 latents into one token; its configuration calls that a patch of 1."""


def side_multiple(pipeline: Any) -> int:
    """Return what both sides must be multiples of: the VAE's factor times the patch of what denoises."""
    denoiser = denoiser_of(pipeline)
    patch = int(getattr(denoiser.config, "patch_size", 1) or 1) * (_PACKED if _is(pipeline, "Flux") else 1)
    levels = len(getattr(denoiser.config, "down_block_types", ()))
    # A U-Net halves its latents between levels; sides that do not divide make its skip connections miss.
    factor = int(pipeline.vae_scale_factor) * max(patch, 2 ** max(0, levels - 1))
    return math.lcm(_SANA_ASKS_FOR if _is(pipeline, "Sana") else _PIPELINES_ASK_FOR, factor)


def native_pixels(pipeline: Any) -> int:
    """Return the area that the model was trained on: the sides of its sample times the VAE's factor."""
    height, width = _sample_sides(pipeline)
    return int(height * width * pipeline.vae_scale_factor**2)


def widest_aspect(pipeline: Any) -> float:
    """Return how many times wider than high (or higher than wide) the model can paint: wider where its sample is."""
    height, width = _sample_sides(pipeline)
    return max(WIDEST, width / height, height / width)


def _sample_sides(pipeline: Any) -> tuple[int, int]:
    """Return height and width of the latents that the model was trained on; one number is both."""
    sample: Any = getattr(denoiser_of(pipeline).config, "sample_size", None)
    sample = sample or getattr(pipeline, "default_sample_size", 64)
    height, width = sample if isinstance(sample, list | tuple) else (sample, sample)
    return int(height), int(width)


def denoiser_of(pipeline: Any) -> Any:
    """Return the network that removes the noise."""
    return getattr(pipeline, "transformer", None) or pipeline.unet


def _is(pipeline: Any, family: str) -> bool:
    return type(pipeline).__name__.startswith(family)
