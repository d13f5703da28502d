"""The diffusers painter: batches by shape and adapter; the same seed paints the same picture."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from bannerstream.contracts.manifest import Provenance
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.devices import device_of
from bannerstream.generator.diffusion.adapters import AdapterCache
from bannerstream.generator.diffusion.brands import Adapter, brand_key, read_brands
from bannerstream.generator.diffusion.call_args import CallSettings, accepted_by, call_kwargs
from bannerstream.generator.diffusion.loader import load_pipeline, revision_of
from bannerstream.generator.diffusion.pipeline_choice import check_together
from bannerstream.generator.diffusion.prompts import Mode, Prompt, prompt_of
from bannerstream.generator.diffusion.shape_limits import native_pixels, side_multiple, widest_aspect
from bannerstream.generator.diffusion.shapes import Shape, fitted, shape_for
from bannerstream.generator.errors import BlackPicture, ModelFailed, OutOfMemory, PaintingFailed
from bannerstream.generator.pipeline.ports import LightSide, Painting, Pixels, SceneRequest, Unfinished, is_black
from bannerstream.settings import DiffusionSettings

log = structlog.get_logger(__name__)

_AS_IT_IS = DiffusionSettings()
_EVEN_LIGHT = 6.0
"""Difference of mean luminance (of 255) between the outer thirds below which the light has no side."""


@dataclass(frozen=True, slots=True)
class BatchKey:
    """What scenes must share to be painted in one call of the model."""

    shape: Shape
    adapter: str | None
    """Name of the brand's adapter, None for the plain model."""
    guidance_factor: float = 1.0
    """A call has one guidance for all its pictures."""


class DiffusersPainter:
    """Paints with a pipeline of diffusers. The constructor loads the model once and checks every brand's adapter.

    Mode `scene` paints the scene alone, and the layout adds the product later. Mode `whole` paints the product too, as
    in the paper. `diffusion` sets the initial image, the ControlNet and the memory savers. `fit` turns a painted
    picture into a banner's scene, on any thread (`generator.postprocess.Finisher` is the careful one).

    Raises:
        ConfigurationError: the model or an adapter cannot be loaded, or does not support the settings.
    """

    def __init__(
        self,
        model: str,
        *,
        mode: Mode = "scene",
        num_inference_steps: int = 4,
        guidance_scale: float = 0.0,
        device: str = "auto",
        diffusion: DiffusionSettings = _AS_IT_IS,
        fit: Callable[[Pixels, BannerSize], Pixels] = fitted,
    ) -> None:
        self._fit = fit
        self._device = device_of(device)
        self._brands = read_brands(diffusion.brands) if diffusion.brands is not None else {}
        check_together(diffusion, self._brands.values())
        self._pipeline, choice = load_pipeline(
            model, self._device, settings=diffusion, mode=mode, num_inference_steps=num_inference_steps
        )
        self._adapters = AdapterCache(
            self._pipeline, self._brands.values(), capacity=diffusion.adapters_loaded, family=choice.family
        )
        self._call = CallSettings(
            choice, mode, num_inference_steps, guidance_scale, diffusion, accepted_by(self._pipeline)
        )
        self._kind = type(self._pipeline).__name__
        self._model = model.rstrip("/").rpartition("/")[2]
        self._revision = revision_of(model, self._pipeline, diffusion)
        self._multiple = side_multiple(self._pipeline)
        self._pixels = native_pixels(self._pipeline)
        self._widest = widest_aspect(self._pipeline)

    def paint(self, scenes: Sequence[SceneRequest]) -> list[Painting | PaintingFailed]:
        """Return one painting per scene, in order; `BlackPicture` in place of a picture that is black or NaN.

        Raises:
            OutOfMemory: the batch does not fit into memory.
            ModelFailed: the model raised.
        """
        return [finish() for finish in self.paint_raw(scenes)]

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> list[Unfinished]:
        """Return one unfinished picture per scene, in order, to be fitted to its banner. Raises like `paint`."""
        batches: dict[BatchKey, list[int]] = defaultdict(list)
        for index, scene in enumerate(scenes):
            batches[self.batch_key(scene)].append(index)
        painted: dict[int, Unfinished] = {}
        for key, indices in batches.items():
            for index, picture in zip(
                indices, self._batch([scenes[index] for index in indices], key.shape), strict=True
            ):
                painted[index] = partial(self._finished, scenes[index], picture)
        return [painted[index] for index in range(len(scenes))]

    def batch_key(self, scene: SceneRequest) -> BatchKey:
        """Return shape, adapter and guidance: scenes that share all three are painted together."""
        adapter = self._adapter(scene)
        shape = shape_for(scene.composition.size, pixels=self._pixels, multiple=self._multiple, widest=self._widest)
        return BatchKey(shape, None if adapter is None else adapter.name, scene.guidance_factor)

    def _batch(self, scenes: Sequence[SceneRequest], shape: Shape) -> Sequence[NDArray[np.floating[Any]]]:
        """Paint pictures of one shape in one call: height x width x 3, from 0 to 1."""
        import torch  # noqa: PLC0415

        try:
            return self._run(scenes, shape)
        except torch.OutOfMemoryError as error:
            reason = str(error)
        except PaintingFailed:
            raise
        except Exception as error:
            raise ModelFailed(f"{self._kind}: {type(error).__name__}: {error}") from error
        # Outside the handler: its traceback would keep the failed batch's tensors alive.
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise OutOfMemory(f"out of memory for {len(scenes)} pictures of {shape.width}x{shape.height}: {reason}")

    def _run(self, scenes: Sequence[SceneRequest], shape: Shape) -> Sequence[NDArray[np.floating[Any]]]:
        import torch  # noqa: PLC0415

        prompts = [self._prompt(scene) for scene in scenes]
        # Outside inference mode: an adapter's weights are loaded as parameters and are reused.
        self._adapters.activate(self._adapter(scenes[0]))
        with torch.inference_mode():
            pictures: Sequence[NDArray[np.floating[Any]]] = self._pipeline(
                **call_kwargs(self._call, scenes, shape, prompts)
            ).images
        return pictures

    def _adapter(self, scene: SceneRequest) -> Adapter | None:
        return None if scene.brand is None else self._brands.get(brand_key(scene.brand))

    def _prompt(self, scene: SceneRequest) -> Prompt:
        adapter = self._adapter(scene)
        return prompt_of(
            scene,
            self._call.mode,
            trigger="" if adapter is None else adapter.trigger,
            outlined=self._call.choice.controlnet is not None and scene.product_image is not None,
        )

    def _finished(self, scene: SceneRequest, picture: NDArray[np.floating[Any]]) -> Painting | BlackPicture:
        try:
            return self._painting(scene, _as_image(picture))
        except BlackPicture as failure:
            return failure

    def _painting(self, scene: SceneRequest, pixels: Pixels) -> Painting:
        prompt, adapter = self._prompt(scene), self._adapter(scene)
        banner = self._fit(pixels, scene.composition.size)
        return Painting(
            pixels=banner,
            light_side=_light_side(banner),
            provenance=Provenance(
                painter=f"diffusers:{self._kind}",
                engine="diffusers",
                mode=self._call.mode,
                model=self._model,
                model_revision=self._revision,
                adapter=None if adapter is None else f"{adapter.file.stem}@{adapter.revision}",
                adapter_weight=None if adapter is None else adapter.weight,
                prompt=prompt.positive,
                negative_prompt=prompt.negative if self._call.uses_negative_prompt else None,
            ),
            holds_product=self._call.mode == "whole",
        )


def _as_image(picture: NDArray[np.floating[Any]]) -> Pixels:
    """Return floats from 0 to 1 as bytes.

    Raises:
        BlackPicture: all black (a safety checker's output), or NaN (half precision overflowed).
    """
    if not np.isfinite(picture).all():
        raise BlackPicture("the model returned a picture that is not a number")
    pixels: Pixels = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    if is_black(pixels):
        raise BlackPicture("the model returned a black picture")
    return pixels


def _light_side(pixels: Pixels) -> LightSide:
    """Return the brighter side, where the light comes from."""
    thirds = cv2.resize(pixels, (3, 1), interpolation=cv2.INTER_AREA)
    left, right = float(thirds[0, 0].mean()), float(thirds[0, 2].mean())
    if abs(left - right) < _EVEN_LIGHT:
        return "above"
    return "left" if left > right else "right"
