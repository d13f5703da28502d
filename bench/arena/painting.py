"""Two systems that paint the same pictures: the product's painter, and diffusers as its documentation shows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.diffusion import DiffusersPainter
from bannerstream.generator.pipeline.ports import SceneRequest
from bannerstream.generator.serving.warm_up import warm_up_scenes
from bannerstream.settings import DiffusionSettings

STEPS = 1
"""The number of steps that turbo models are distilled for."""


@dataclass(frozen=True, slots=True)
class Model:
    """A pipeline on disk and how to run it."""

    folder: Path
    tiny_vae: Path | None
    compiled: bool
    device: str


@dataclass(frozen=True, slots=True)
class Paints:
    """A loaded system: `paint(count, size)` paints pictures. `shape(size)` is the size that the model itself paints."""

    paint: Callable[[int, BannerSize], object]
    shape: Callable[[BannerSize], str]


def painter(model: Model) -> Paints:
    """Load the product's painter."""
    made = DiffusersPainter(
        str(model.folder),
        num_inference_steps=STEPS,
        device=model.device,
        diffusion=DiffusionSettings(
            tiny_vae=None if model.tiny_vae is None else str(model.tiny_vae), compile=model.compiled
        ),
    )

    def shape(size: BannerSize) -> str:
        shape = made.batch_key(scenes(1, size)[0]).shape
        return f"{shape.width}x{shape.height}"

    return Paints(lambda count, size: made.paint(scenes(count, size)), shape)


def plain(model: Model) -> Paints:
    """Load diffusers as its documentation shows it: half precision on a GPU, one call for a list of prompts."""
    import torch  # noqa: PLC0415
    from diffusers import AutoencoderTiny, AutoPipelineForText2Image  # noqa: PLC0415

    dtype = torch.float32 if model.device == "cpu" else torch.float16
    pipe: Any = AutoPipelineForText2Image.from_pretrained(model.folder, torch_dtype=dtype)
    if model.tiny_vae is not None:
        pipe.vae = AutoencoderTiny.from_pretrained(model.tiny_vae, torch_dtype=dtype)
    pipe.to(model.device)
    pipe.set_progress_bar_config(disable=True)
    if model.compiled:
        pipe.unet.compile()
        pipe.vae.decoder.compile()

    def paint(count: int, size: BannerSize) -> object:
        return pipe(
            prompt=["a photo of a kitchen counter in soft morning light"] * count,
            num_inference_steps=STEPS,
            guidance_scale=0.0,
            width=size.width,
            height=size.height,
        ).images

    return Paints(paint, lambda size: size.name)


def scenes(count: int, size: BannerSize) -> list[SceneRequest]:
    """Return `count` scenes, each with its own seed."""
    (one,) = warm_up_scenes([size])
    return [replace(one, seed=seed) for seed in range(count)]


def latency_s(paint: Callable[[], object], rounds: int, *, warm_ups: int) -> float:
    """Return the median seconds of a call, after `warm_ups` calls in which kernels are selected and compiled."""
    for _ in range(warm_ups):
        paint()
    times = []
    for _ in range(rounds):
        started = perf_counter()
        paint()
        times.append(perf_counter() - started)
    return median(times)
