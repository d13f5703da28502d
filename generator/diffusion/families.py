"""The families of diffusion models: diffusers' pipeline class per task, and each family's capabilities. Pure.

The class that a pipeline was saved as identifies its family. Turbo, Lightning and Hyper models belong to the family
that they were distilled from: they differ only in steps, guidance and scheduler.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Task = Literal["text-to-image", "image-to-image", "inpainting"]


@dataclass(frozen=True, slots=True)
class Family:
    """Properties shared by the models of one architecture. Classes are names in diffusers."""

    name: str
    pipelines: Mapping[Task, str]
    controlnet_pipelines: Mapping[Task, str] = field(default_factory=dict)
    """Pipeline classes with a ControlNet; tasks that are missing have none."""
    controlnet: str | None = None
    """Class of the family's ControlNets."""
    half_precision: Literal["float16", "bfloat16"] = "float16"
    """Precision it was published for. Transformers overflow in float16."""
    textual_inversion: bool = False
    """Whether its text encoder supports textual inversions."""
    negative_prompts: bool = True
    """False if guidance was distilled into the model: then a negative prompt has no effect."""


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
    """Return the family of a pipeline class, None if it is unknown."""
    for family in FAMILIES:
        if pipeline_class in {*family.pipelines.values(), *family.controlnet_pipelines.values()}:
            return family
    return None


def task_of(pipeline_class: str) -> Task:
    """Return the task that a pipeline was saved for, according to its class name."""
    name = pipeline_class.lower()
    if "inpaint" in name:
        return "inpainting"
    return "image-to-image" if "img2img" in name else "text-to-image"
