"""Every benchmark runs by its name, `python -m bench NAME`, and as the script that it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[3]


AT_EVERY_PUSH = "latency"
"""It imports least; the others, the models' above all, take most of their time for imports."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == AT_EVERY_PUSH else pytest.mark.full) for name in BENCHMARKS]
)
def test_it_runs_as_a_script_from_anywhere(name: str, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "bench" / f"{name}.py", "--help"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: ")
