"""The product as a shop runs it, for one measurement: its topics, its catalogue, and workers as processes."""

import os
import re
import signal
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
"""A state holds this name, so it must be as long as a shop's."""

FOLDS = r"^folding [1-9]\d* partitions"
"""What a worker logs when events flow."""

_JOINED = r"^folding \d+ partitions"
"""The same of a worker that may have standbys alone."""

_POLL_S = 0.02
_UTIME = 11
"""Place of utime, then stime, behind the name in /proc/PID/stat (proc(5))."""
_LOG_LINE = re.compile(r"^(\S+Z) \[\w+ *\] (.*)$", re.MULTILINE)


class WorkerFailed(Exception):
    """A worker ended, or did not say what it should in time; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a worker's log: when (epoch seconds) and what."""

    at: float
    text: str


class Worker:
    """`python -m bannerstream.streams`; `restart` kills it and starts it again, on the same log."""

    def __init__(self, name: str, stage: Stage, environment: Mapping[str, str], checkout: Path = REPOSITORY) -> None:
        """Start it from this checkout: this one's interpreter, or the other's own `.venv`."""
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

    def heard(self, pattern: str) -> tuple[LogLine, re.Match[str]] | None:
        """Return the last line that this process wrote and that fits the pattern."""
        return next(reversed(self.all_heard(pattern)), None)

    def all_heard(self, pattern: str) -> list[tuple[LogLine, re.Match[str]]]:
        """Return every line that this process wrote and that fits the pattern."""
        log = self._log.read_bytes()[self._seen :].decode(errors="replace")
        return [
            (LogLine(datetime.fromisoformat(stamp).timestamp(), text), match)
            for stamp, text in _LOG_LINE.findall(log)
            if (match := re.search(pattern, text)) is not None
        ]

    def hear(self, pattern: str, limit_s: float = 120.0) -> tuple[LogLine, re.Match[str]]:
        """Wait until the log has a line that fits.

        Raises:
            WorkerFailed: the process ended, or `limit_s` passed.
        """
        deadline = time.monotonic() + limit_s
        while (found := self.heard(pattern)) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise WorkerFailed(f"{self.process.name} did not log {pattern!r}:\n{self.process.log_tail()}")
            time.sleep(_POLL_S)
        return found

    def folds(self) -> None:
        """Wait until it has partitions and folds them."""
        self.hear(FOLDS)

    def joined(self) -> None:
        """Wait until it has what the group gives it: partitions, or standbys alone."""
        self.hear(_JOINED)

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        os.kill(self.process.pid, signal.SIGTERM)

    def processor_s(self) -> float:
        """Return the processor time that it has used, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> tuple[int, int]:
        """Return what is resident now, and the most that was."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
        return int(found["VmRSS"]) // 1024, int(found["VmHWM"]) // 1024


class Deployment:
    """A context manager: topics and catalogue are there inside; at the end workers are killed and topics deleted."""

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
        """Start a worker of this checkout; it takes the first free slot."""
        started = Worker(f"{self.app}-{len(self.workers)}", self.stage, self._environment, checkout)
        self.workers.append(started)
        return started

    def kill(self, which: Worker) -> None:
        """SIGKILL: no goodbye, no commit."""
        which.process.kill()

    def until_caught_up(self, limit_s: float = 180.0) -> None:
        """Wait until everything that lies in clicks now is committed.

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
