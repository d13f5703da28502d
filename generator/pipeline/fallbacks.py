"""Describes a failed port: a reason for the manifest, a cause for the metric."""

from dataclasses import dataclass
from typing import Literal

from bannerstream.generator.errors import BlackPicture, ModelHung, OutOfMemory, OverBudget, PaintingFailed

MAX_REASON = 300
"""Longest reason that the manifest allows."""

Cause = Literal["failed", "unusable", "black", "gates", "memory", "hung", "budget"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """One port that a fallback replaced. Both words come from fixed lists, because they label a metric."""

    port: Literal["describer", "painter"]
    reason: Cause


class GatesFailed(PaintingFailed):
    """The banner was painted, but a gate rejected it."""


_CAUSES: dict[type[PaintingFailed], Cause] = {
    GatesFailed: "gates",
    BlackPicture: "black",
    OutOfMemory: "memory",
    ModelHung: "hung",
    OverBudget: "budget",
}


def cause_of(failure: PaintingFailed) -> Cause:
    """Return the cause under which the metric counts a failure."""
    return next((cause for kind, cause in _CAUSES.items() if isinstance(failure, kind)), "failed")


def reason_of(error: Exception) -> str:
    """Return an error as the manifest's reason: one line, within its bounds."""
    text = str(error) if isinstance(error, PaintingFailed) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:MAX_REASON] or type(error).__name__
