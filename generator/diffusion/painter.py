"""The diffusers painter: batches by shape, same seed same picture, half the batch when memory runs out."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image as Pictures

from contracts.errors import ConfigurationError
from contracts.manifest import Provenance
from contracts.sizes import BannerSize
from generator.devices import check_exists, device_of
from generator.diffusion.loading import load_pipeline, revision_of
from generator.diffusion.prompts import Mode, Prompt, prompt_of
from generator.diffusion.shapes import Shape, fitted, shape_for
from generator.diffusion.showing import shown
from generator.errors import BlackPicture, PaintingFailed
from generator.ports import Image, LightSide, Painting, SceneWish

log = structlog.get_logger(__name__)

_BLACK_BELOW = 8
"""No channel of any pixel is brighter (of 255)."""
_PIPELINES_ASK_FOR = 8
"""Every pipeline refuses sides that 8 does not divide, whatever its VAE."""
_EVEN_LIGHT = 6.0
"""Difference of mean luminance between the outer thirds (of 255) below which light has no side."""


class DiffusersPainter:
    """Paints with a text-to-image or inpainting pipeline; the model is loaded once, here.

    Mode `scene` paints the scene alone, and the product is laid over later. An inpainting pipeline is shown the product
    where it will stand and paints around it. Mode `whole` paints the product too, as the paper does. `fit` makes a
    banner's scene of a painted picture (`generator.postprocess.Finisher` does it with more care).

    Raises:
        ConfigurationError: the model cannot be loaded, or cannot do what the mode asks for.
    """

    def __init__(
        self,
        model: str,
        *,
        mode: Mode = "scene",
        steps: int = 4,
        guidance: float = 0.0,
        device: str = "auto",
        fit: Callable[[Image, BannerSize], Image] = fitted,
    ) -> None:
        self._fit = fit
        self._device = device_of(device)
        check_exists("generator.painter_model", model)
        self._pipeline = load_pipeline(model, self._device)
        self._kind = type(self._pipeline).__name__
        self._inpaints = "inpaint" in self._kind.lower()
        if self._inpaints and mode == "whole":
            raise ConfigurationError(
                f'generator.painter_mode = "whole" needs a text-to-image model; {model} is a {self._kind}'
            )
        self._mode: Mode = mode
        self._steps = steps
        self._guidance = guidance
        self._model = model.rstrip("/").rpartition("/")[2]
        self._revision = revision_of(model, self._pipeline)
        self._multiple = self._side_multiple()
        self._pixels = self._native_pixels()

    def paint(self, wishes: Sequence[SceneWish]) -> list[Painting]:
        """Return one painting per wish, in order.

        Raises:
            PaintingFailed: the model raised, or there is not memory enough for a single picture.
            BlackPicture: a picture is black or not a number.
        """
        by_shape: dict[Shape, list[int]] = defaultdict(list)
        for at, wish in enumerate(wishes):
            by_shape[shape_for(wish.composition.size, pixels=self._pixels, multiple=self._multiple)].append(at)
        painted: dict[int, Painting] = {}
        for shape, places in by_shape.items():
            for at, pixels in zip(places, self._batch([wishes[at] for at in places], shape), strict=True):
                painted[at] = self._painting(wishes[at], pixels)
        return [painted[at] for at in range(len(wishes))]

    def _batch(self, wishes: Sequence[SceneWish], shape: Shape) -> list[Image]:
        """Paint pictures of one shape together, in halves where memory does not suffice."""
        import torch  # noqa: PLC0415

        try:
            return self._run(wishes, shape)
        except torch.OutOfMemoryError as error:
            if len(wishes) == 1:
                raise PaintingFailed(f"out of memory for one picture of {shape.width}x{shape.height}") from error
            log.warning("painter_out_of_memory", batch=len(wishes), width=shape.width, height=shape.height)
        except PaintingFailed:
            raise
        except Exception as error:
            raise PaintingFailed(f"{self._kind}: {type(error).__name__}: {error}") from error
        # Outside the handler: its traceback would keep the failed batch's tensors alive.
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
        half = len(wishes) // 2
        return self._batch(wishes[:half], shape) + self._batch(wishes[half:], shape)

    def _run(self, wishes: Sequence[SceneWish], shape: Shape) -> list[Image]:
        import torch  # noqa: PLC0415

        prompts = [prompt_of(wish, self._mode) for wish in wishes]
        arguments: dict[str, Any] = {
            "prompt": [prompt.positive for prompt in prompts],
            "num_inference_steps": self._steps,
            "guidance_scale": self._guidance,
            "width": shape.width,
            "height": shape.height,
            # On the CPU, so that a seed means the same on every device.
            "generator": [torch.Generator("cpu").manual_seed(wish.seed) for wish in wishes],
            "output_type": "np",
        }
        if self._guidance > 1:
            arguments["negative_prompt"] = [prompt.negative for prompt in prompts]
        if self._inpaints:
            pictures = [tuple(map(Pictures.fromarray, shown(wish, shape))) for wish in wishes]
            arguments["image"] = [image for image, _ in pictures]
            arguments["mask_image"] = [mask for _, mask in pictures]
            arguments["strength"] = 1.0
        with torch.inference_mode():
            result = self._pipeline(**arguments)
        return [_as_image(picture) for picture in result.images]

    def _painting(self, wish: SceneWish, pixels: Image) -> Painting:
        prompt: Prompt = prompt_of(wish, self._mode)
        banner = self._fit(pixels, wish.composition.size)
        return Painting(
            pixels=banner,
            light_side=_light_side(banner),
            provenance=Provenance(
                painter=f"diffusers:{self._kind}",
                engine="diffusers",
                mode=self._mode,
                model=self._model,
                model_revision=self._revision,
                prompt=prompt.positive,
                negative_prompt=prompt.negative if self._guidance > 1 else None,
            ),
            holds_product=self._mode == "whole",
        )

    def _side_multiple(self) -> int:
        """Return what both sides must be multiples of: the VAE's factor times the patch of what denoises."""
        denoiser = getattr(self._pipeline, "transformer", None) or getattr(self._pipeline, "unet", None)
        patch = int(getattr(getattr(denoiser, "config", None), "patch_size", 1) or 1)
        levels = len(getattr(denoiser.config, "down_block_types", ())) if denoiser is not None else 0
        # A U-Net halves its latents between levels; sides that do not divide make its skip connections miss.
        factor = int(self._pipeline.vae_scale_factor) * max(patch, 2 ** max(0, levels - 1))
        return math.lcm(_PIPELINES_ASK_FOR, factor)

    def _native_pixels(self) -> int:
        """Return the area that the model was trained on: sample size times the VAE's factor, squared."""
        denoiser = getattr(self._pipeline, "transformer", None) or getattr(self._pipeline, "unet", None)
        sample = getattr(getattr(denoiser, "config", None), "sample_size", None) or 64
        side = (max(sample) if isinstance(sample, list | tuple) else int(sample)) * self._pipeline.vae_scale_factor
        return int(side * side)


def _as_image(picture: NDArray[np.floating[Any]]) -> Image:
    """Return floats from 0 to 1 as bytes.

    Raises:
        BlackPicture: all black (what a safety checker leaves), or not a number (half precision overflowed).
    """
    if not np.isfinite(picture).all():
        raise BlackPicture("the model returned a picture that is not a number")
    pixels: Image = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    if int(pixels.max()) < _BLACK_BELOW:
        raise BlackPicture("the model returned a black picture")
    return pixels


def _light_side(pixels: Image) -> LightSide:
    """Return which side is brighter: there the light comes from."""
    luminance = pixels.astype(np.float32).mean(axis=2)
    third = max(1, luminance.shape[1] // 3)
    left, right = float(luminance[:, :third].mean()), float(luminance[:, -third:].mean())
    if abs(left - right) < _EVEN_LIGHT:
        return "above"
    return "left" if left > right else "right"
