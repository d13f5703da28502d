"""What is told when a port did not do what it was asked for: a reason for the manifest, a word for the metric."""

from dataclasses import dataclass
from typing import Literal

from bannerstream.generator.errors import BlackPicture, ModelHung, OutOfMemory, OverBudget, PaintingFailed

MAX_REASON = 300
"""Length that the manifest allows a reason."""

Cause = Literal["failed", "unusable", "black", "gates", "memory", "hung", "budget"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """One port that did not do what it was asked for. Both words come from fixed lists: they label a metric."""

    port: Literal["describer", "painter"]
    reason: Cause


class GatesFailed(PaintingFailed):
    """The banner was painted, but a gate turned it down."""


_CAUSES: dict[type[PaintingFailed], Cause] = {
    GatesFailed: "gates",
    BlackPicture: "black",
    OutOfMemory: "memory",
    ModelHung: "hung",
    OverBudget: "budget",
}


def cause_of(failure: PaintingFailed) -> Cause:
    """Return the word under which a failure is counted."""
    return next((cause for kind, cause in _CAUSES.items() if isinstance(failure, kind)), "failed")


def reason_of(error: Exception) -> str:
    """Return what the manifest says about an error: one line, in the manifest's bounds."""
    told = str(error) if isinstance(error, PaintingFailed) else f"{type(error).__name__}: {error}"
    return " ".join(told.split())[:MAX_REASON] or type(error).__name__
