"""Times one run of one system, from its first record to its last commit, with its CPU time and memory."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bannerstream.service.child_process import ChildProcess
from bench.arena.topics import Committed

_POLL_S = 0.05
"""Resolution of the end time. Each poll is one small request: below 1 % of a core."""

_FIRST_RECORD = re.compile(rb"^first-record (\d+)$", re.MULTILINE)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class RunFailed(Exception):
    """A system ended early, or did not finish in time."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The measurements of one run."""

    seconds: float
    cpu_s: float
    """CPU time of the system without the broker, from its first record."""
    rss_mb: int
    """Peak resident memory, summed over its processes."""


def time_run(processes: Sequence[ChildProcess], committed: Committed, ends: list[int], limit_s: float) -> Timing:
    """Return once everything is committed.

    Raises:
        RunFailed: a process ended, or `limit_s` passed; the message quotes the end of its log.
    """
    deadline = time.monotonic() + limit_s
    cpu_before: float | None = None
    while True:
        offsets = committed.offsets()
        now = time.time()
        if offsets == ends:
            break
        for child in processes:
            if child.poll() is not None:
                raise RunFailed(f"it ended with status {child.poll()}:\n{child.log_tail()}")
        if time.monotonic() > deadline:
            raise RunFailed(f"{sum(offsets)} of {sum(ends)} records after {limit_s:.0f} s:\n{processes[0].log_tail()}")
        if cpu_before is None and any(_first_record(process) is not None for process in processes):
            cpu_before = _cpu_s(processes)
        time.sleep(_POLL_S)
    starts = [start for process in processes if (start := _first_record(process)) is not None]
    if not starts or cpu_before is None:
        raise RunFailed(f"it did not report its first record:\n{processes[0].log_tail()}")
    return Timing(now - min(starts), _cpu_s(processes) - cpu_before, _peak_rss_mb(processes))


def _first_record(process: ChildProcess) -> float | None:
    found = _FIRST_RECORD.search(process.log_file.read_bytes())
    return int(found.group(1)) / 1000 if found else None


def _members(processes: Sequence[ChildProcess]) -> list[Path]:
    """Return the /proc folders of these processes and of their children."""
    groups = {process.pid for process in processes}
    return [
        folder
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and (stat := _stat(folder)) and int(stat[2]) in groups
    ]


def _stat(folder: Path) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; empty if the process has ended."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_s(processes: Sequence[ChildProcess]) -> float:
    stats = [_stat(folder) for folder in _members(processes)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats if stat) / _TICKS_PER_S


def _peak_rss_mb(processes: Sequence[ChildProcess]) -> int:
    statuses = [(folder / "status").read_text() for folder in _members(processes)]
    peaks = [int(found.group(1)) for status in statuses if (found := re.search(r"VmHWM:\s+(\d+) kB", status))]
    return sum(peaks) // 1024
