"""Times one run of one system, from its first record to its last commit, with its CPU time and memory."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bannerstream.service.child_process import ChildProcess

_POLL_S = 0.05
"""Resolution of the end time. Each poll is one small request: below 1 % of a core."""

_FIRST_RECORD = re.compile(rb"^first-record (\d+)$", re.MULTILINE)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class RunFailed(Exception):
    """A system ended early, or did not finish in time."""


class Progress(Protocol):
    """Knows how far a system is."""

    def offsets(self) -> list[int]:
        """Return the next offset of each partition: what lies before it will not be processed again."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """The measurements of one run."""

    events: int
    seconds: float
    cpu_s: float
    """CPU time of the system without the broker, in these seconds."""
    rss_mb: int
    """Peak resident memory, summed over its processes."""


def time_run(
    processes: Sequence[ChildProcess],
    committed: Progress,
    ends: Sequence[int],
    limit_s: float,
    warm: Sequence[int] | None = None,
) -> Timing:
    """Return once everything is committed.

    The clock starts with the first record; or, with `warm`, when each partition is committed to this offset at least:
    what is committed then is not counted.

    Raises:
        RunFailed: a process ended, or `limit_s` passed, with the end of its log; or nothing was left to be measured.
    """
    deadline = time.monotonic() + limit_s
    begin: _Begin | None = None
    while True:
        offsets = committed.offsets()
        now = time.time()
        if begin is None:
            begin = _begun(processes, offsets, now, warm)
        if offsets == list(ends):
            break
        for child in processes:
            if child.poll() is not None:
                raise RunFailed(f"it ended with status {child.poll()}:\n{child.log_tail()}")
        if time.monotonic() > deadline:
            raise RunFailed(f"{sum(offsets)} of {sum(ends)} records after {limit_s:.0f} s:\n{processes[0].log_tail()}")
        time.sleep(_POLL_S)
    if begin is None:
        raise RunFailed(f"it did not report its first record:\n{processes[0].log_tail()}")
    if begin.done == sum(ends):
        raise RunFailed("everything was committed at once, so there is no rate: choose more --events, or --cold")
    return Timing(sum(ends) - begin.done, now - begin.at, _cpu_s(processes) - begin.cpu_s, _peak_rss_mb(processes))


@dataclass(frozen=True, slots=True)
class _Begin:
    """When the clock started, and what was done then."""

    at: float
    done: int
    cpu_s: float


def _begun(
    processes: Sequence[ChildProcess], offsets: Sequence[int], now: float, warm: Sequence[int] | None
) -> _Begin | None:
    if warm is not None:
        reached = all(offset >= first for offset, first in zip(offsets, warm, strict=True))
        return _Begin(now, sum(offsets), _cpu_s(processes)) if reached else None
    starts = [start for each in processes if (start := _first_record(each)) is not None]
    return _Begin(min(starts), 0, _cpu_s(processes)) if starts else None


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
