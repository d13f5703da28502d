"""The record of runs, one JSON line per run with its commit, so that a set can be split over several sessions."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.audit import KINDS
from tests.faults.result import Result

ROOT = Path(__file__).parents[2]

SERVICE_CODE = (
    "broker", "contracts", "edge", "generator", "purger", "service", "settings", "storage", "streams", "requirements",
)  # fmt: skip
"""The code under test. Runs at two commits belong to one set if none of these folders differs between them."""


@dataclass(frozen=True)
class Line:
    """One recorded run."""

    name: str
    seed: int
    events: int
    faults: int
    seconds: int
    findings: dict[str, int]
    commit: str


class History:
    """A file of runs, which may not exist yet."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def append(self, result: Result, commit: str) -> Line:
        """Add a run to the end of the file."""
        findings = {kind: count for kind, count in result.findings.counts().items() if count}
        line = Line(result.name, result.seed, result.events, result.faults, round(result.seconds), findings, commit)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line.__dict__) + "\n")
        return line

    def comparable(self) -> list[Line]:
        """Return the last run of each scenario and seed whose service code equals that of the working tree."""
        lines = {(line.name, line.seed): line for line in self._lines() if _has_this_service_code(line.commit)}
        return list(lines.values())

    def _lines(self) -> Iterator[Line]:
        if self._file.exists():
            for text in self._file.read_text(encoding="utf-8").splitlines():
                yield Line(**json.loads(text))


def summary(lines: list[Line], seconds: float) -> dict[str, int]:
    """Return the totals of a set of runs."""
    return {
        "seeds": len(lines),
        "scenarios": len({line.name for line in lines}),
        "events": sum(line.events for line in lines),
        "faults": sum(line.faults for line in lines),
        **{kind: sum(line.findings.get(kind, 0) for line in lines) for kind in KINDS},
        "seconds": round(seconds),
    }


@cache
def _has_this_service_code(commit: str) -> bool:
    compared = subprocess.run(
        ["git", "diff", "--quiet", commit, "--", *SERVICE_CODE], cwd=ROOT, capture_output=True, check=False
    )
    return compared.returncode == 0
