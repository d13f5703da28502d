"""Plots of evaluations; imports matplotlib only when one is drawn."""

from collections.abc import Sequence
from pathlib import Path

import typer

from bannerstream.lab.bandit.evaluation import Evaluation


def plot_regret(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Draw regret over visits, the mean of the worlds with the range between them; the file's suffix is its format.

    Raises:
        typer.BadParameter: matplotlib is not installed, or does not know the suffix.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise typer.BadParameter("--plot needs a package: pip install matplotlib") from error
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for evaluation in evaluations:
        mean = evaluation.curves.mean(axis=0)
        axes.plot(evaluation.impressions, mean, label=f"{evaluation.policy} ({mean[-1]:,.0f})", linewidth=2)
        axes.fill_between(
            evaluation.impressions, evaluation.curves.min(axis=0), evaluation.curves.max(axis=0), alpha=0.15
        )
    axes.set_xlabel("visits")
    axes.set_ylabel("regret: clicks short of the best choice")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except ValueError as error:
        raise typer.BadParameter(f"--plot {path}: {error}") from error
