"""The picture sizes that a loaded pipeline can paint."""

import math
from typing import Any

from bannerstream.generator.diffusion.shapes import WIDEST

_PIPELINES_ASK_FOR, _SANA_ASKS_FOR = 8, 32
"""Divisors that pipelines require of both sides, independent of the VAE."""
_PACKED = 2
"""FLUX packs 2 x 2 latents into one token, although its configuration has a patch size of 1."""


def side_multiple(pipeline: Any) -> int:
    """Return the divisor of both sides: the VAE's factor times the denoiser's patch size."""
    denoiser = denoiser_of(pipeline)
    patch = int(getattr(denoiser.config, "patch_size", 1) or 1) * (_PACKED if _is(pipeline, "Flux") else 1)
    levels = len(getattr(denoiser.config, "down_block_types", ()))
    # A U-Net halves its latents between levels; sides that do not divide break its skip connections.
    factor = int(pipeline.vae_scale_factor) * max(patch, 2 ** max(0, levels - 1))
    return math.lcm(_SANA_ASKS_FOR if _is(pipeline, "Sana") else _PIPELINES_ASK_FOR, factor)


def native_pixels(pipeline: Any) -> int:
    """Return the area in pixels that the model was trained on: its sample size times the VAE's factor."""
    height, width = _sample_sides(pipeline)
    return int(height * width * pipeline.vae_scale_factor**2)


def widest_aspect(pipeline: Any) -> float:
    """Return the widest aspect ratio, either way round, that the model can paint; wide samples raise it."""
    height, width = _sample_sides(pipeline)
    return max(WIDEST, width / height, height / width)


def _sample_sides(pipeline: Any) -> tuple[int, int]:
    """Return height and width of the latents that the model was trained on; a single number means a square."""
    sample: Any = getattr(denoiser_of(pipeline).config, "sample_size", None)
    sample = sample or getattr(pipeline, "default_sample_size", 64)
    height, width = sample if isinstance(sample, list | tuple) else (sample, sample)
    return int(height), int(width)


def denoiser_of(pipeline: Any) -> Any:
    """Return the denoising network."""
    return getattr(pipeline, "transformer", None) or pipeline.unet


def _is(pipeline: Any, family: str) -> bool:
    return type(pipeline).__name__.startswith(family)
