"""Schedulers: how a model walks from noise to picture. Another than the one it was saved with needs fewer steps."""

from typing import Any, Literal

from bannerstream.contracts.errors import ConfigurationError

SchedulerName = Literal["as-saved", "trailing", "lcm", "euler", "euler-ancestral", "dpm++"]

_CLASSES = {
    "lcm": "LCMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
}


def set_scheduler(pipeline: Any, name: SchedulerName) -> None:
    """Put another scheduler on a pipeline, with the noise that the model was trained on; `as-saved` leaves its own.

    `trailing` keeps the class and starts from the last training step, as few-step models ask for: started from an
    earlier one, they are given noise that still holds some picture (Lin et al. 2023, arXiv 2305.08891, §3.3).

    Raises:
        ConfigurationError: the model was trained by flow matching, or its scheduler has no such spacing.
    """
    if name == "as-saved":
        return
    import diffusers  # noqa: PLC0415

    saved = pipeline.scheduler
    if _flows(saved):
        raise ConfigurationError(
            f'generator.diffusion.scheduler = "{name}" is for models that were trained to remove noise; this one flows '
            f'({type(saved).__name__}): leave it at "as-saved" and set generator.painter_steps'
        )
    if name == "trailing":
        if "timestep_spacing" not in saved.config:
            raise ConfigurationError(
                f'generator.diffusion.scheduler = "trailing": {type(saved).__name__} has no spacing; use "euler"'
            )
        pipeline.scheduler = type(saved).from_config(saved.config, timestep_spacing="trailing")
        return
    # Few steps are what these are asked for, so they start from the last one too.
    pipeline.scheduler = getattr(diffusers, _CLASSES[name]).from_config(saved.config, timestep_spacing="trailing")


def _flows(scheduler: Any) -> bool:
    config = scheduler.config
    return (
        "FlowMatch" in type(scheduler).__name__
        or type(scheduler).__name__ == "SCMScheduler"
        or config.get("prediction_type") == "flow_prediction"
        or bool(config.get("use_flow_sigmas", False))
    )
