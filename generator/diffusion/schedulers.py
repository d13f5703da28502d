"""Schedulers, which lead a model from noise to a picture. Some need fewer steps than the one it was saved with."""

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
    """Replace a pipeline's scheduler, keeping the noise schedule it was trained on; `as-saved` keeps its own.

    `trailing` keeps the class and starts from the last training step, as few-step models require: an earlier start
    feeds them noise that still holds some picture (Lin et al. 2023, arXiv 2305.08891, §3.3).

    Raises:
        ConfigurationError: the model was trained by flow matching, or its scheduler has no timestep spacing.
    """
    if name == "as-saved":
        return
    import diffusers  # noqa: PLC0415

    saved = pipeline.scheduler
    if _flows(saved):
        raise ConfigurationError(
            f'generator.diffusion.scheduler = "{name}" is for models trained to remove noise; this one matches a flow '
            f'({type(saved).__name__}): leave it at "as-saved" and set generator.painter_steps'
        )
    if name == "trailing":
        if "timestep_spacing" not in saved.config:
            raise ConfigurationError(
                f'generator.diffusion.scheduler = "trailing": {type(saved).__name__} has no spacing; use "euler"'
            )
        pipeline.scheduler = type(saved).from_config(saved.config, timestep_spacing="trailing")
        return
    # These are used with few steps, so they also start from the last training step.
    pipeline.scheduler = getattr(diffusers, _CLASSES[name]).from_config(saved.config, timestep_spacing="trailing")


def _flows(scheduler: Any) -> bool:
    config = scheduler.config
    return (
        "FlowMatch" in type(scheduler).__name__
        or type(scheduler).__name__ == "SCMScheduler"
        or config.get("prediction_type") == "flow_prediction"
        or bool(config.get("use_flow_sigmas", False))
    )
