"""Which pipeline to load for what the settings ask for. Pure.

What does not go together is refused here, before gigabytes are loaded.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.diffusion.brands import Adapter
from bannerstream.generator.diffusion.families import Family, Task, family_of, task_of
from bannerstream.generator.diffusion.prompts import Mode
from bannerstream.settings import DiffusionSettings


@dataclass(frozen=True, slots=True)
class Choice:
    """What to load."""

    task: Task
    pipeline: str | None
    """Class in diffusers; None: of no known family, diffusers chooses by the task."""
    family: Family | None
    controlnet: str | None = None
    """Class of the ControlNet, None without one."""


def choose(saved_as: str, wanted: DiffusionSettings, *, model: str, mode: Mode, steps: int) -> Choice:
    """Return what to load of a model whose pipeline was saved as the class `saved_as`.

    Raises:
        ConfigurationError: the model's family does not do that, or two settings contradict each other.
    """
    family = family_of(saved_as)
    task = task_of(saved_as) if wanted.task == "as-saved" else wanted.task
    if mode == "whole" and task == "inpainting":
        raise ConfigurationError(
            f'generator.painter_mode = "whole" needs a text-to-image model, and {model} is to inpaint around the '
            'product: use "scene", or generator.diffusion.task = "text-to-image"'
        )
    if task == "image-to-image" and int(steps * wanted.strength) < 1:
        raise ConfigurationError(
            f"generator.painter_steps = {steps} times generator.diffusion.strength = {wanted.strength} is no step: "
            f"nothing would be painted; use at least {_least_steps(wanted.strength)} steps"
        )
    if family is None:
        if wanted.controlnet is not None:
            raise _no_controlnet(f"pipelines of the class {saved_as}", wanted, "generator.diffusion.controlnet")
        return Choice(task, None, None)
    classes = family.pipelines if wanted.controlnet is None else family.controlled
    if task not in family.pipelines:
        raise ConfigurationError(
            f'generator.diffusion.task = "{task}": {family.name} has no such pipeline; it has '
            + " and ".join(sorted(family.pipelines))
        )
    if task not in classes:
        raise _no_controlnet(f"{family.name} for {task}", wanted, "generator.diffusion.controlnet or the task")
    return Choice(task, classes[task], family, family.controlnet if wanted.controlnet is not None else None)


def check_together(wanted: DiffusionSettings, adapters: Iterable[Adapter]) -> None:
    """Check that the brands' adapters go with the other settings.

    Raises:
        ConfigurationError: they do not.
    """
    loras = [adapter.file.name for adapter in adapters if adapter.kind == "lora"]
    if wanted.compile and loras:
        raise ConfigurationError(
            f"generator.diffusion.compile does not go with the LoRAs of generator.diffusion.brands ({loras[0]}): each "
            "brand would compile the model anew; leave one of them out"
        )
    if wanted.quantise != "none" and loras:
        raise ConfigurationError(
            f"generator.diffusion.quantise does not go with the LoRAs of generator.diffusion.brands ({loras[0]}): they "
            "are added to weights of full precision; leave one of them out"
        )


def _no_controlnet(what: str, wanted: DiffusionSettings, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f'generator.diffusion.controlnet = "{wanted.controlnet}": {what} takes no ControlNet; leave out {remedy}, or '
        "use a model of another family (docs/models.md has a table)"
    )


def _least_steps(strength: float) -> int:
    return next(steps for steps in range(1, 1001) if int(steps * strength) >= 1)
