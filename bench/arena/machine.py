"""The machine and the versions on which the figures were measured."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from bench.arena.environments import PEERS, REPOSITORY

_MAIN_PACKAGE = {
    "quix": "quixstreams",
    "pathway": "pathway",
    "faust": "faust-streaming",
    "confluent": "confluent-kafka",
}


def machine() -> dict[str, object]:
    """Return the result line with machine and versions."""
    return {
        "bench": "machine",
        "cpu": _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "memory_gb": round(int(_first(r"MemTotal:\s+(\d+)", Path("/proc/meminfo")) or 0) / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "java": _output_of(["java", "-version"]).partition("\n")[0],
        "kafka": _first(r"<kafka\.version>(.+)</", REPOSITORY / "deploy" / "kafka" / "pom.xml"),
        "kafka-streams": _first(r"<kafka\.version>(.+)</", PEERS / "kafka-streams" / "pom.xml"),
        **{
            system: _first(rf"(?m)^{package}==(\S+)", PEERS / system / "requirements.txt")
            for system, package in _MAIN_PACKAGE.items()
        },
        "commit": _output_of(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]).strip(),
        "command": " ".join(["python", *map(_relative, sys.argv)]),
    }


def _relative(argument: str) -> str:
    return argument.removeprefix(f"{REPOSITORY}/")


def _first(pattern: str, file: Path) -> str | None:
    try:
        found = re.search(pattern, file.read_text(encoding="utf-8"))
    except OSError:
        return None
    return found.group(1).strip() if found else None


def _output_of(command: list[str]) -> str:
    try:
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return completed.stdout or completed.stderr
