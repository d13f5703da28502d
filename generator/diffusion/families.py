"""The families of diffusion models: which pipeline of diffusers does which task for each, and what else it can. Pure.

A family is told by the class that a pipeline was saved as. Turbo, Lightning and Hyper models belong to the family that
they were distilled from: they differ in steps, guidance and scheduler only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Task = Literal["text-to-image", "image-to-image", "inpainting"]


@dataclass(frozen=True, slots=True)
class Family:
    """What the models of one architecture have in common. Classes are names in diffusers."""

    name: str
    pipelines: Mapping[Task, str]
    controlnet_pipelines: Mapping[Task, str] = field(default_factory=dict)
    """The same with a ControlNet; a task that is not here has none."""
    controlnet: str | None = None
    """Class of the family's ControlNets."""
    half_precision: Literal["float16", "bfloat16"] = "float16"
    """What it was published to run in. Transformers overflow in float16."""
    textual_inversion: bool = False
    """Its text encoder can learn words."""
    negative_prompts: bool = True
    """False where guidance was distilled into the model: nothing is compared with, so nothing can be kept out."""


FAMILIES = (
    Family(
        "Stable Diffusion 1 and 2",
        pipelines={
            "text-to-image": "StableDiffusionPipeline",
            "image-to-image": "StableDiffusionImg2ImgPipeline",
            "inpainting": "StableDiffusionInpaintPipeline",
        },
        controlnet_pipelines={
            "text-to-image": "StableDiffusionControlNetPipeline",
            "image-to-image": "StableDiffusionControlNetImg2ImgPipeline",
            "inpainting": "StableDiffusionControlNetInpaintPipeline",
        },
        controlnet="ControlNetModel",
        textual_inversion=True,
    ),
    Family(
        "Stable Diffusion XL",
        pipelines={
            "text-to-image": "StableDiffusionXLPipeline",
            "image-to-image": "StableDiffusionXLImg2ImgPipeline",
            "inpainting": "StableDiffusionXLInpaintPipeline",
        },
        controlnet_pipelines={
            "text-to-image": "StableDiffusionXLControlNetPipeline",
            "image-to-image": "StableDiffusionXLControlNetImg2ImgPipeline",
            "inpainting": "StableDiffusionXLControlNetInpaintPipeline",
        },
        controlnet="ControlNetModel",
        textual_inversion=True,
    ),
    Family(
        "Stable Diffusion 3",
        pipelines={
            "text-to-image": "StableDiffusion3Pipeline",
            "image-to-image": "StableDiffusion3Img2ImgPipeline",
            "inpainting": "StableDiffusion3InpaintPipeline",
        },
        controlnet_pipelines={"text-to-image": "StableDiffusion3ControlNetPipeline"},
        controlnet="SD3ControlNetModel",
        half_precision="bfloat16",
    ),
    Family(
        "FLUX.1",
        pipelines={
            "text-to-image": "FluxPipeline",
            "image-to-image": "FluxImg2ImgPipeline",
            "inpainting": "FluxInpaintPipeline",
        },
        controlnet_pipelines={
            "text-to-image": "FluxControlNetPipeline",
            "image-to-image": "FluxControlNetImg2ImgPipeline",
            "inpainting": "FluxControlNetInpaintPipeline",
        },
        controlnet="FluxControlNetModel",
        half_precision="bfloat16",
        negative_prompts=False,
    ),
    Family(
        "SANA",
        pipelines={"text-to-image": "SanaPipeline"},
        controlnet_pipelines={"text-to-image": "SanaControlNetPipeline"},
        controlnet="SanaControlNetModel",
        half_precision="bfloat16",
    ),
    Family(
        "SANA-Sprint",
        pipelines={"text-to-image": "SanaSprintPipeline", "image-to-image": "SanaSprintImg2ImgPipeline"},
        half_precision="bfloat16",
        negative_prompts=False,
    ),
)


def family_of(pipeline_class: str) -> Family | None:
    """Return the family of a pipeline's class, None of one that is not known here."""
    return next(
        (
            each
            for each in FAMILIES
            if pipeline_class in {*each.pipelines.values(), *each.controlnet_pipelines.values()}
        ),
        None,
    )


def task_of(pipeline_class: str) -> Task:
    """Return the task that a pipeline was saved for, as its class's name tells it."""
    name = pipeline_class.lower()
    if "inpaint" in name:
        return "inpainting"
    return "image-to-image" if "img2img" in name else "text-to-image"
