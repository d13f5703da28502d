"""Chooses the pipeline class for the settings. Pure.

Settings that contradict each other are refused here, before gigabytes are loaded.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.diffusion.brands import Adapter
from bannerstream.generator.diffusion.families import Family, Task, family_of, task_of
from bannerstream.generator.diffusion.prompts import Mode
from bannerstream.settings import DiffusionSettings


@dataclass(frozen=True, slots=True)
class PipelineChoice:
    """The pipeline and ControlNet classes to load."""

    task: Task
    pipeline: str | None
    """Class in diffusers; None for an unknown family: then diffusers chooses by the task."""
    family: Family | None
    controlnet: str | None = None
    """Class of the ControlNet, None without one."""


def choose_pipeline(
    pipeline_class: str, settings: DiffusionSettings, *, model: str, mode: Mode, num_inference_steps: int
) -> PipelineChoice:
    """Return the classes to load for a model whose pipeline was saved as `pipeline_class`.

    Raises:
        ConfigurationError: the model's family does not support the task, or two settings contradict each other.
    """
    family = family_of(pipeline_class)
    task = task_of(pipeline_class) if settings.task == "as-saved" else settings.task
    if mode == "whole" and task == "inpainting":
        raise ConfigurationError(
            f'generator.painter_mode = "whole" needs a text-to-image model, and {model} inpaints around the '
            'product: use "scene", or generator.diffusion.task = "text-to-image"'
        )
    if task == "image-to-image" and int(num_inference_steps * settings.strength) < 1:
        raise ConfigurationError(
            f"generator.painter_steps = {num_inference_steps} times generator.diffusion.strength = "
            f"{settings.strength} leaves no step to paint; use at least {_least_steps(settings.strength)} steps"
        )
    if family is None:
        if settings.controlnet is not None:
            raise _no_controlnet(f"pipelines of the class {pipeline_class}", settings, "generator.diffusion.controlnet")
        return PipelineChoice(task, None, None)
    classes = family.pipelines if settings.controlnet is None else family.controlnet_pipelines
    if task not in family.pipelines:
        raise ConfigurationError(
            f'generator.diffusion.task = "{task}": {family.name} has no such pipeline; it has '
            + " and ".join(sorted(family.pipelines))
        )
    if task not in classes:
        raise _no_controlnet(f"{family.name} for {task}", settings, "generator.diffusion.controlnet or the task")
    return PipelineChoice(task, classes[task], family, family.controlnet if settings.controlnet is not None else None)


def check_together(settings: DiffusionSettings, adapters: Iterable[Adapter]) -> None:
    """Check that the brands' adapters are compatible with the other settings.

    Raises:
        ConfigurationError: they are not.
    """
    loras = [adapter.file.name for adapter in adapters if adapter.kind == "lora"]
    if settings.compile and loras:
        raise ConfigurationError(
            f"generator.diffusion.compile does not go with the LoRAs of generator.diffusion.brands ({loras[0]}): each "
            "brand would recompile the model; leave one of them out"
        )
    if settings.quantise != "none" and loras:
        raise ConfigurationError(
            f"generator.diffusion.quantise does not go with the LoRAs of generator.diffusion.brands ({loras[0]}): they "
            "are added to weights of full precision; leave one of them out"
        )


def _no_controlnet(what: str, settings: DiffusionSettings, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f'generator.diffusion.controlnet = "{settings.controlnet}": {what} takes no ControlNet; leave out {remedy}, or '
        "use a model of another family (docs/models.md has a table)"
    )


def _least_steps(strength: float) -> int:
    return next(steps for steps in range(1, 1001) if int(steps * strength) >= 1)
