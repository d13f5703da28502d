"""`bannerstream train`: train the starter model from scratch, or continue a training."""

import signal
import time
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from bannerstream.cli.console import plain, stderr

app = typer.Typer(help="Train the starter model on scenes that the studio draws.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--folder", help="Folder of the training; a training in it is continued.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, mps.")]
_TELL_EVERY_S = 15.0


@app.command()
def starter(
    folder: Folder = Path("starter-training"),
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Last step, counted from the first step of the training.")
    ] = 40_000,
    pooled_steps: Annotated[
        int, typer.Option("--pooled-steps", min=0, help="First steps that run on coarser latents, three times as fast.")
    ] = 8_000,
    cool_down: Annotated[
        int, typer.Option("--cool-down", min=0, help="Last steps, over which the rate falls to 0.")
    ] = 4_000,
    batch: Annotated[int, typer.Option("--batch", min=1, max=512, help="Scenes per step.")] = 16,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Learning rate before the cool-down.")] = 1e-3,
    begin: Annotated[
        Path | None, typer.Option("--begin", help="Pipeline whose weights a new training starts from.", exists=True)
    ] = None,
    reheat: Annotated[
        bool, typer.Option("--reheat", help="Continue from before the cool-down, to extend a finished training.")
    ] = False,
    checkpoint_every: Annotated[
        int, typer.Option("--checkpoint-every", min=1, help="Steps between checkpoints.")
    ] = 500,
    drawing: Annotated[int, typer.Option("--drawing", min=1, max=256, help="Processes that draw scenes.")] = 1,
    device: Device = "auto",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same training.")] = 0,
) -> None:
    """Train the starter's denoiser and text encoder. Ctrl-C stops after a checkpoint; the same command continues."""
    from bannerstream.lab.training.denoiser import Plan, Progress
    from bannerstream.lab.training.starter import StarterOptions, train_starter

    plan = Plan(steps, pooled_steps, cool_down, batch, 3 * batch, rate, seed=seed)
    stop, progress_state = Event(), [time.monotonic(), 0.0, 0.0]

    def show(progress: Progress) -> None:
        progress_state[1] = 0.98 * progress_state[1] + 0.02 * progress.loss
        progress_state[2] = 0.98 * progress_state[2] + 0.02
        if time.monotonic() - progress_state[0] >= _TELL_EVERY_S:
            progress_state[0] = time.monotonic()
            stderr.print(
                f"step {progress.step} of {steps}{' (pooled)' if progress.pooled else ''}: "
                f"loss {progress_state[1] / progress_state[2]:.4f}, rate {progress.rate:.2e}",
                highlight=False,
            )

    def end(number: int, _: object) -> None:
        stop.set()
        # Asked twice, it ends at once: while scenes are drawn, there is no step to end after.
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    model = train_starter(
        StarterOptions(folder, plan, device, drawing, checkpoint_every, begin, reheat), show, stopped=stop.is_set
    )
    stderr.print(f"[green]saved[/]: {plain(model)}", highlight=False)


@app.command()
def autoencoder(
    folder: Folder = Path("starter-training"),
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of 16 crops each.")] = 6_000,
    scenes: Annotated[int, typer.Option("--scenes", min=16, help="Drawn scenes to learn from.")] = 8_000,
    device: Device = "auto",
    begin: Annotated[
        Path | None, typer.Option("--begin", help="A pipeline whose autoencoder is taken further.", exists=True)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same training.")] = 0,
) -> None:
    """Train the starter's autoencoder. What was encoded with another one is of no use: begin with no shards."""
    from bannerstream.lab.training.autoencoder import train_autoencoder

    if (folder / "shards").exists():
        raise typer.BadParameter(f"{folder} holds scenes encoded by another autoencoder; name a new folder")

    def show(step: int, loss: float) -> None:
        if step % 100 == 0:
            stderr.print(f"step {step} of {steps}: loss {loss:.4f}", highlight=False)

    decibels = train_autoencoder(
        folder / "autoencoder", steps=steps, scenes=scenes, device=device, seed=seed, begin=begin, on_progress=show
    )
    stderr.print(f"[green]saved[/]: {plain(folder / 'autoencoder')}, {decibels:.1f} dB", highlight=False)


@app.command()
def judge(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("judge.safetensors"),
    scenes: Annotated[int, typer.Option("--scenes", min=3 * 48, help="Drawn scenes to learn from.")] = 9_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same training.")] = 0,
) -> None:
    """Train the classifier that `evaluate starter` judges with."""
    from bannerstream.generator.devices import device_of
    from bannerstream.lab.evaluation.scene_judge import train_judge

    device_of("cpu")  # says what to install where nothing is
    train_judge(scenes=scenes, seed=seed, on_progress=lambda progress: stderr.print(progress, highlight=False)).save(
        out
    )
    stderr.print(f"[green]saved[/]: {plain(out)}", highlight=False)
