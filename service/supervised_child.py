"""One service under supervision: its definition, and the process that runs it now."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bannerstream.service.child_process import ChildProcess
from bannerstream.service.errors import ChildFailed
from bannerstream.service.merged_log import MergedLog
from bannerstream.service.retry import Backoff
from bannerstream.service.supervisor_metrics import SupervisorMetrics


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When and how often a service that ended is restarted. Waits double from the first to the longest, with jitter."""

    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    stable_after_s: float = 60.0
    """A run that stays ready this long resets the failure count and the wait."""
    max_failures: int = 5
    """Consecutive failures that are followed by a restart; the next one ends the supervisor."""
    final_statuses: frozenset[int] = frozenset()
    """Exit statuses that a restart does not change, such as that of a wrong setting."""


@dataclass(frozen=True, slots=True)
class Service:
    """The definition of one child process."""

    name: str
    """Shown in front of its log lines, and the value of its label `worker`."""
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables added to this process's own."""
    folder: Path | None = None
    is_ready: Callable[[], bool] = lambda: True
    """Called after each start until it returns True."""
    ready_timeout_s: float = 60.0
    metrics_port: int | None = None
    """Loopback port where it serves its Prometheus metrics."""
    restart: RestartPolicy | None = None
    """None: if it ends, the supervisor ends, too."""
    stop_timeout_s: float = 10.0
    """A process that still runs so long after SIGTERM is killed. Orchestrators do the same after 10 s or more."""


class SupervisedChild:
    """A service and its current process, if any. Its state changes only in calls of its methods, mostly in `check`."""

    def __init__(self, service: Service, log: MergedLog, metrics: SupervisorMetrics) -> None:
        self.service = service
        self.is_ready = False
        self._log = log
        self._process: ChildProcess | None = None
        self._was_ready = False
        """In any of its runs. A service that was never ready is misconfigured, and a restart would hide that."""
        self._since = 0.0
        """Monotonic time at which it was started, or became ready."""
        self._restart_at: float | None = None
        self._kill_at: float | None = None
        """Monotonic time, once it was asked to end."""
        self._failures = 0
        policy = service.restart or RestartPolicy()
        self._backoff = Backoff(policy.first_wait_s, policy.longest_wait_s)
        self._restarts = metrics.restarts.labels(service.name)

    def start(self) -> None:
        """Start the process; its lines go to the log."""
        assert self._process is None or self._process.poll() is not None, f"{self.service.name} runs already"
        name = self.service.name
        self.is_ready, self._restart_at, self._kill_at = False, None, None
        self._since = time.monotonic()
        self._process = ChildProcess(
            self.service.command,
            name=name,
            on_line=lambda line: self._log.write(name, line),
            # Otherwise Python buffers up to 8 KiB of output to a pipe.
            environment={"PYTHONUNBUFFERED": "1", **self.service.environment},
            folder=self.service.folder,
        )
        self._log.note(f"{name}: started, pid {self._process.pid}")

    def check(self) -> None:
        """Check whether the process is ready or has ended, and restart it when that is due.

        Raises:
            ChildFailed: it ended, or was not ready in time, and its policy allows no restart.
        """
        if self._restart_at is not None:
            if time.monotonic() >= self._restart_at:
                self._restarts.inc()
                self.start()
        elif self._process is None:
            return
        elif (status := self._process.poll()) is not None:
            self._handle_failure(
                f"ended with status {status}" + ("" if self.is_ready else " before it was ready"), status
            )
        elif not self.is_ready:
            self._check_ready()

    def terminate(self) -> None:
        """Send SIGTERM to the process."""
        if self._process is not None:
            self._process.terminate()
            self._kill_at = time.monotonic() + self.service.stop_timeout_s

    def reap(self) -> None:
        """Wait until the process ends, and kill it `stop_timeout_s` after `terminate`; it is not restarted."""
        self._restart_at = None
        if self._process is not None:
            status = self._process.reap(0.0 if self._kill_at is None else self._kill_at - time.monotonic())
            self._process.log.drain()
            self._process = None
            self._log.note(f"{self.service.name}: stopped, status {status}")

    def _check_ready(self) -> None:
        if self.service.is_ready():
            self.is_ready = self._was_ready = True
            self._log.note(f"{self.service.name}: ready after {time.monotonic() - self._since:.1f} s")
            self._since = time.monotonic()
        elif time.monotonic() > self._since + self.service.ready_timeout_s:
            self._handle_failure(f"was not ready after {self.service.ready_timeout_s:g} s")

    def _handle_failure(self, how: str, status: int | None = None) -> None:
        """Kill what is left of the process group and schedule a restart.

        Raises:
            ChildFailed: the policy allows no restart.
        """
        assert self._process is not None
        self._process.kill()
        name, policy = self.service.name, self.service.restart
        log_excerpt = self._process.log_excerpt()
        if policy is None or not self._was_ready or status in policy.final_statuses:
            raise ChildFailed(f"{name} {how}.{log_excerpt}")
        if self.is_ready and time.monotonic() - self._since >= policy.stable_after_s:
            self._failures = 0
            self._backoff.reset()
        self._failures += 1
        if self._failures > policy.max_failures:
            raise ChildFailed(f"{name} {how}: {self._failures} failures in a row, so no more restarts.{log_excerpt}")
        wait_s = self._backoff.next_s()
        self._restart_at = time.monotonic() + wait_s
        self._log.note(f"{name}: {how}; starts again in {wait_s:.1f} s")
