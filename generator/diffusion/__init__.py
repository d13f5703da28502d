"""Diffusion: paints scenes with any text-to-image or inpainting pipeline of diffusers, in safetensors only.

Light to import: torch and diffusers load when a painter is made.
"""

from bannerstream.generator.diffusion.painter import DiffusersPainter

__all__ = ["DiffusersPainter"]
