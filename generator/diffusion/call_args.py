"""The arguments that a pipeline is called with: the same scene in the words of every family."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image as Pictures

from bannerstream.generator.diffusion.conditioning import steering
from bannerstream.generator.diffusion.init_images import drawn, shown
from bannerstream.generator.diffusion.pipeline_choice import Choice
from bannerstream.generator.diffusion.prompts import Mode, Prompt
from bannerstream.generator.diffusion.shapes import Shape
from bannerstream.generator.pipeline.ports import SceneRequest
from bannerstream.generator.studio import StudioPainter
from bannerstream.settings import DiffusionSettings

_STEPS_WITH_A_MIDDLE = 2
"""SANA-Sprint has a time of its own for the step between, and raises where there is none or more than one."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How this painter asks: what stays the same from batch to batch."""

    choice: Choice
    mode: Mode
    steps: int
    guidance: float
    wanted: DiffusionSettings
    accepted: frozenset[str]
    """Arguments that the pipeline takes (`accepted_by`)."""

    @property
    def keeps_out(self) -> bool:
        """Tell whether a negative prompt has an effect: it needs guidance to be compared with."""
        return self.guidance > 1 and (self.choice.family is None or self.choice.family.negative_prompts)


def accepted_by(pipeline: Any) -> frozenset[str]:
    """Return the names of the arguments that a pipeline can be called with."""
    return frozenset(inspect.signature(type(pipeline).__call__).parameters)


def arguments(
    manner: Manner, scenes: Sequence[SceneRequest], shape: Shape, prompts: Sequence[Prompt]
) -> dict[str, Any]:
    """Return what to call a pipeline with to have these scenes painted in one batch."""
    import torch  # noqa: PLC0415

    asked: dict[str, Any] = {
        "prompt": [prompt.positive for prompt in prompts],
        "num_inference_steps": manner.steps,
        "guidance_scale": manner.guidance * scenes[0].guidance,  # one factor per batch
        "width": shape.width,
        "height": shape.height,
        # On the CPU, so that a seed means the same on every device.
        "generator": [torch.Generator("cpu").manual_seed(scene.seed) for scene in scenes],
        "output_type": "np",
        # SANA would paint another shape and cut.
        "use_resolution_binning": False,
    }
    if manner.steps != _STEPS_WITH_A_MIDDLE:
        asked["intermediate_timesteps"] = None
    if manner.keeps_out:
        asked["negative_prompt"] = [prompt.negative for prompt in prompts]
    asked |= _starts(manner, scenes, shape) | _steers(manner, scenes, shape)
    # Pipelines that start from a picture take its size, and some models know no guidance.
    return {name: value for name, value in asked.items() if name in manner.accepted}


def _starts(manner: Manner, scenes: Sequence[SceneRequest], shape: Shape) -> dict[str, Any]:
    """Return what the model starts from, where that is not noise."""
    if manner.choice.task == "inpainting":
        pictures = [tuple(map(Pictures.fromarray, shown(scene, shape))) for scene in scenes]
        return {
            "image": [image for image, _ in pictures],
            "mask_image": [mask for _, mask in pictures],
            "strength": 1.0,
        }
    if manner.choice.task == "image-to-image":
        drawings = StudioPainter().paint(scenes)
        starts = [
            drawn(drawing.pixels, scene, shape, with_product=manner.mode == "whole")
            for drawing, scene in zip(drawings, scenes, strict=True)
        ]
        return {"image": list(map(Pictures.fromarray, starts)), "strength": manner.wanted.strength}
    return {}


def _steers(manner: Manner, scenes: Sequence[SceneRequest], shape: Shape) -> dict[str, Any]:
    """Return what the ControlNet is shown, where there is one."""
    if manner.choice.controlnet is None:
        return {}
    pictures = [Pictures.fromarray(steering(scene, shape, manner.wanted.controlnet_reads)) for scene in scenes]
    return {
        "control_image" if "control_image" in manner.accepted else "image": pictures,
        "controlnet_conditioning_scale": manner.wanted.controlnet_scale,
    }
