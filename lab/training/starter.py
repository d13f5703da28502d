"""A training of the starter in a folder: continues from existing files and creates missing ones.

autoencoder/            trained first, or copied from another pipeline
shards/                 encoded scenes
checkpoint.pt           the training's state, to continue from
before-cool-down.pt     the same before the rate fell, for further training
model/, sheets/         the pipeline and its sample sheet, at every checkpoint
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.devices import device_of
from bannerstream.generator.starter import GUIDANCE, STEPS
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.lab.training.denoiser import DenoiserTraining, Plan, Progress
from bannerstream.lab.training.parts import save_pipeline
from bannerstream.lab.training.shards import Shards
from bannerstream.lab.training.sheets import write_sample_sheet

log = structlog.get_logger(__name__)

_CHECKPOINT, _BEFORE = "checkpoint.pt", "before-cool-down.pt"


@dataclass(frozen=True, slots=True)
class StarterOptions:
    """Folder and parameters of a training."""

    folder: Path
    plan: Plan
    device: str = "auto"
    drawing_processes: int = 1
    checkpoint_every: int = 500
    begin: Path | None = None
    """A pipeline to start from, if the folder holds no training yet."""
    reheat: bool = False
    """Continue from before the rate fell."""
    sheet: tuple[int, int] = (len(SCENES), 4)
    """Rows (one per setting) and columns of the sample sheets."""


def train_starter(
    options: StarterOptions, on_progress: Callable[[Progress], None], stopped: Callable[[], bool] = lambda: False
) -> Path:
    """Train up to the plan's last step, or until `stopped` returns True; return the pipeline's folder.

    Raises:
        ConfigurationError: the device is not available, or there is no autoencoder in the folder or to start from.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    autoencoder = _autoencoder(options)
    training = DenoiserTraining(options.plan, device_of(options.device), begin=options.begin)
    found = options.folder / (_BEFORE if options.reheat else _CHECKPOINT)
    if found.is_file():
        training.load(found)
        log.info("training goes on", step=training.step, of=options.plan.steps)
    elif options.reheat:
        raise ConfigurationError(f"there is no {found} to go on from; leave out --reheat")
    with Shards(options.folder / "shards", autoencoder, workers=options.drawing_processes) as shards:
        for number in options.plan.shards_at(training.step):
            shards.prepare(number)
        for progress in training.run(shards):
            on_progress(progress)
            if progress.step == options.plan.steps - options.plan.cool_down:
                training.save(options.folder / _BEFORE)
            if stopped():
                break
            if progress.step % options.checkpoint_every == 0:
                _checkpoint(training, options, autoencoder)
    _checkpoint(training, options, autoencoder)
    return options.folder / "model"


def _autoencoder(options: StarterOptions) -> Path:
    folder = options.folder / "autoencoder"
    if not (folder / "config.json").is_file():
        if options.begin is None or not (options.begin / "vae" / "config.json").is_file():
            raise ConfigurationError(
                f"there is no {folder}: run `bannerstream train autoencoder` with the same --folder first, or name a "
                "pipeline that has one: --begin"
            )
        shutil.copytree(options.begin / "vae", folder)
    return folder


def _checkpoint(training: DenoiserTraining, options: StarterOptions, autoencoder: Path) -> None:
    folder, (rows, columns) = options.folder, options.sheet
    training.save(folder / _CHECKPOINT)
    save_pipeline(folder / "model", autoencoder, *training.averaged())
    sheets = folder / "sheets"
    sheets.mkdir(exist_ok=True)
    write_sample_sheet(
        load_for_sampling(folder / "model"),
        sheets / f"{training.step:07}.png",
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        rows=rows,
        columns=columns,
    )


def load_for_sampling(model: Path) -> Any:
    """Return a saved pipeline in single precision on the CPU."""
    import torch  # noqa: PLC0415
    from diffusers import StableDiffusionPipeline  # noqa: PLC0415

    pipeline = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
