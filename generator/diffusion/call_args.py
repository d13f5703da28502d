"""The keyword arguments of a pipeline call, for every family of pipelines."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from bannerstream.generator.diffusion.control_images import control_image
from bannerstream.generator.diffusion.init_images import init_image, inpaint_inputs
from bannerstream.generator.diffusion.pipeline_choice import PipelineChoice
from bannerstream.generator.diffusion.prompts import Mode, Prompt
from bannerstream.generator.diffusion.shapes import Shape
from bannerstream.generator.pipeline.ports import SceneRequest
from bannerstream.generator.studio import StudioPainter
from bannerstream.settings import DiffusionSettings

_STEPS_WITH_A_MIDDLE = 2
"""SANA-Sprint has a default intermediate timestep, and raises unless there are exactly two steps."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """The settings of a painter's calls that stay the same for every batch."""

    choice: PipelineChoice
    mode: Mode
    num_inference_steps: int
    guidance_scale: float
    settings: DiffusionSettings
    accepted: frozenset[str]
    """Argument names that the pipeline accepts (`accepted_by`)."""

    @property
    def uses_negative_prompt(self) -> bool:
        """Return whether a negative prompt has an effect: only with classifier-free guidance."""
        return self.guidance_scale > 1 and (self.choice.family is None or self.choice.family.negative_prompts)


def accepted_by(pipeline: Any) -> frozenset[str]:
    """Return the names of the arguments that a pipeline can be called with."""
    return frozenset(inspect.signature(type(pipeline).__call__).parameters)


def call_kwargs(
    call: CallSettings, scenes: Sequence[SceneRequest], shape: Shape, prompts: Sequence[Prompt]
) -> dict[str, Any]:
    """Return the keyword arguments of the pipeline call that paints these scenes in one batch."""
    import torch  # noqa: PLC0415

    kwargs: dict[str, Any] = {
        "prompt": [prompt.positive for prompt in prompts],
        "num_inference_steps": call.num_inference_steps,
        "guidance_scale": call.guidance_scale * scenes[0].guidance_factor,  # one factor per batch
        "width": shape.width,
        "height": shape.height,
        # On the CPU, so that a seed means the same on every device.
        "generator": [torch.Generator("cpu").manual_seed(scene.seed) for scene in scenes],
        "output_type": "np",
        # SANA would paint another shape and crop it.
        "use_resolution_binning": False,
    }
    if call.num_inference_steps != _STEPS_WITH_A_MIDDLE:
        kwargs["intermediate_timesteps"] = None
    if call.uses_negative_prompt:
        kwargs["negative_prompt"] = [prompt.negative for prompt in prompts]
    kwargs |= _starts(call, scenes, shape) | _steers(call, scenes, shape)
    # Pipelines that start from a picture take its size, and some models have no guidance.
    return {name: value for name, value in kwargs.items() if name in call.accepted}


def _starts(call: CallSettings, scenes: Sequence[SceneRequest], shape: Shape) -> dict[str, Any]:
    """Return the initial image and mask, if the model does not start from noise."""
    if call.choice.task == "inpainting":
        pictures = [tuple(map(Image.fromarray, inpaint_inputs(scene, shape))) for scene in scenes]
        return {
            "image": [image for image, _ in pictures],
            "mask_image": [mask for _, mask in pictures],
            "strength": 1.0,
        }
    if call.choice.task == "image-to-image":
        drawings = StudioPainter().paint(scenes)
        starts = [
            init_image(drawing.pixels, scene, shape, with_product=call.mode == "whole")
            for drawing, scene in zip(drawings, scenes, strict=True)
        ]
        return {"image": list(map(Image.fromarray, starts)), "strength": call.settings.strength}
    return {}


def _steers(call: CallSettings, scenes: Sequence[SceneRequest], shape: Shape) -> dict[str, Any]:
    """Return the ControlNet's image and scale, if there is one."""
    if call.choice.controlnet is None:
        return {}
    pictures = [Image.fromarray(control_image(scene, shape, call.settings.controlnet_reads)) for scene in scenes]
    return {
        "control_image" if "control_image" in call.accepted else "image": pictures,
        "controlnet_conditioning_scale": call.settings.controlnet_scale,
    }
