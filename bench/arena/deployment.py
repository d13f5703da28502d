"""The product as a shop runs it, for one measurement: topics, catalogue, and workers as processes."""

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from bannerstream.broker.topics import changelog_name
from bannerstream.contracts.catalog import Product
from bannerstream.service.child_process import ChildProcess
from bench.arena import worker
from bench.arena.environments import REPOSITORY
from bench.arena.stage import Stage
from bench.arena.workload import PARTITIONS

CLICKS = "clicks"
"""States contain this name, so its length is that of a shop's."""

FOLDS = r"^folding [1-9]\d* partitions"
"""A worker's log line when it begins to fold events."""

_JOINED = r"^folding \d+ partitions"
"""The same, also from a worker that has only standbys."""

_POLL_S = 0.02
_UTIME = 11
"""Index of utime, followed by stime, after the name in /proc/PID/stat (proc(5))."""
_LOG_LINE = re.compile(r"^(\S+Z) \[\w+ *\] (.*)$", re.MULTILINE)


class WorkerFailed(Exception):
    """A worker ended, or did not log an expected line in time; the message quotes the end of its log."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a worker's log. `at`: epoch seconds."""

    at: float
    text: str


class Worker:
    """`python -m bannerstream.streams` as a child process, and the log lines of this run."""

    def __init__(self, name: str, stage: Stage, environment: Mapping[str, str], checkout: Path = REPOSITORY) -> None:
        """Start it from a checkout, with this interpreter or with that of the other checkout's `.venv`."""
        python = sys.executable if checkout == REPOSITORY else str(checkout / ".venv" / "bin" / "python")
        self._log = stage.folder / "logs" / f"{name}.log"
        self._seen = self._log.stat().st_size if self._log.exists() else 0
        self.started_at = time.time()
        self.process = ChildProcess(
            [python, "-P", "-m", "bannerstream.streams"],
            name=name,
            log_file=self._log,
            environment=dict(environment),
            folder=checkout,
        )

    def last_logged(self, pattern: str) -> tuple[LogLine, re.Match[str]] | None:
        """Return the last line of this process that matches the pattern, or None."""
        return next(reversed(self.logged(pattern)), None)

    def logged(self, pattern: str) -> list[tuple[LogLine, re.Match[str]]]:
        """Return all lines of this process that match the pattern."""
        log = self._log.read_bytes()[self._seen :].decode(errors="replace")
        return [
            (LogLine(datetime.fromisoformat(stamp).timestamp(), text), match)
            for stamp, text in _LOG_LINE.findall(log)
            if (match := re.search(pattern, text)) is not None
        ]

    def wait_for_log(self, pattern: str, limit_s: float = 120.0) -> tuple[LogLine, re.Match[str]]:
        """Wait until the log has a line that matches.

        Raises:
            WorkerFailed: the process ended, or `limit_s` passed.
        """
        deadline = time.monotonic() + limit_s
        while (found := self.last_logged(pattern)) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise WorkerFailed(f"{self.process.name} did not log {pattern!r}:\n{self.process.log_tail()}")
            time.sleep(_POLL_S)
        return found

    def wait_until_folding(self) -> None:
        """Wait until it has partitions and folds them."""
        self.wait_for_log(FOLDS)

    def wait_until_joined(self) -> None:
        """Wait until it has joined the group, with partitions or only with standbys."""
        self.wait_for_log(_JOINED)

    def processor_s(self) -> float:
        """Return its processor time, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> tuple[int, int]:
        """Return the current and the peak resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
        return int(found["VmRSS"]) // 1024, int(found["VmHWM"]) // 1024


class Deployment:
    """A context manager: creates topics and catalogue; at the end kills the workers and deletes the topics."""

    def __init__(
        self, stage: Stage, app: str, *, extra: Sequence[Product] = (), settings: Mapping[str, str] | None = None
    ) -> None:
        self.stage = stage
        self.app = app
        self.changelog = changelog_name(app)
        self.requests = f"{app}.requests"
        self._before = stage.topics.names()
        folder = stage.folder / app
        folder.mkdir()
        self._environment = dict(worker.prepare(stage.bootstrap, CLICKS, app, folder, extra=extra)) | dict(
            settings or {}
        )
        self._committed = stage.topics.committed(app, CLICKS, PARTITIONS)
        self.workers: list[Worker] = []

    def start(self, checkout: Path = REPOSITORY) -> Worker:
        """Start one more worker, from this checkout."""
        started = Worker(f"{self.app}-{len(self.workers)}", self.stage, self._environment, checkout)
        self.workers.append(started)
        return started

    def kill(self, worker: Worker) -> None:
        """Send SIGKILL: the worker neither commits nor leaves its group."""
        worker.process.kill()

    def until_caught_up(self, limit_s: float = 180.0) -> None:
        """Wait until everything that is in clicks now is committed.

        Raises:
            WorkerFailed: `limit_s` passed.
        """
        ends, deadline = self.stage.topics.ends(CLICKS), time.monotonic() + limit_s
        while any(done < end for done, end in zip(self._committed.offsets(), ends, strict=True)):
            if time.monotonic() > deadline:
                raise WorkerFailed(f"not caught up after {limit_s:.0f} s:\n{self.workers[-1].process.log_tail()}")
            time.sleep(5 * _POLL_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for running in self.workers:
            running.process.kill()
        self._committed.close()
        self.stage.topics.delete(sorted(self.stage.topics.names() - self._before))
