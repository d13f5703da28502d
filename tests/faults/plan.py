"""The sets of runs: nightly (`make faults`), in `make test-all`, and at every push."""

import hashlib
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.play import SCENARIOS

Run = tuple[str, int]
"""A scenario and its seed."""
Plan = list[Run]
"""Runs in order."""

_SEVERAL = {"kill": 40, "fleet": 20}
NIGHTLY_SEEDS = 20
"""Number of seeds of the other scenarios."""
_SHORT = {"kill": 8, "fleet": 4}


def nightly() -> Plan:
    """Return the nightly set."""
    return [(name, seed) for name in SCENARIOS for seed in range(1, 1 + _SEVERAL.get(name, NIGHTLY_SEEDS))]


def short() -> Plan:
    """Return a part of the nightly set: the same seeds, less load."""
    return [(name, seed) for name in SCENARIOS for seed in range(1, 1 + _SHORT.get(name, 1))]


def of_commit(commit: str) -> Plan:
    """Return one nightly seed of each scenario, drawn by the commit."""
    return [(name, _drawn(commit, name)) for name in SCENARIOS]


def current_commit() -> str:
    """Return the commit that is checked out, or an empty string without git."""
    try:
        completed = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return completed.stdout.strip()


def chosen(names: list[str], seed: int | None, seeds: int | None) -> Plan:
    """Return the nightly set or these scenarios, with the nightly seeds, the first `seeds`, or this one seed."""
    plan = [run for run in nightly() if not names or run[0] in names]
    if seed is None and seeds is None:
        return plan
    numbers = [seed] if seed is not None else list(range(1, 1 + (seeds or 0)))
    return [(name, number) for name in dict.fromkeys(name for name, _ in plan) for number in numbers]


def further(runs: Plan) -> Iterator[Run]:
    """Yield runs of the same scenarios with the seeds after those of `runs`, without end."""
    after = 1 + max((seed for _, seed in runs), default=0)
    names = list(dict.fromkeys(name for name, _ in runs))
    return ((name, seed) for seed in itertools.count(after) for name in names)


def _drawn(commit: str, name: str) -> int:
    digest = hashlib.sha256(f"{commit} {name}".encode()).digest()
    return 1 + int.from_bytes(digest[:8]) % _SEVERAL.get(name, NIGHTLY_SEEDS)
