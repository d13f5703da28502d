"""One child process: logs its output, waits until it is ready, and stops it at the latest when this process exits."""

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from bannerstream.service.child_log import LogFile, LogReader
from bannerstream.service.errors import ChildFailed

_POLL_S = 0.05
_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")


class ChildProcess:
    """A running command with its log.

    The child leads its own session, so Ctrl-C in the terminal reaches this process only, which then stops its children
    in order. It is stopped when the interpreter exits; on Linux the kernel kills it if this process dies by SIGKILL.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        name: str,
        log_file: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start `command`. Its output is appended to `log_file`, or a thread passes it to `on_line` line by line.

        `environment` is added to this process's own. `folder` is the working directory.
        """
        self.name = name
        if (log_file is None) == (on_line is None):
            raise TypeError("a child needs either a log_file or an on_line")
        self.log = LogReader(on_line) if on_line is not None else LogFile(log_file or Path())
        wrapped = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), *map(str, command)]
        with self.log.writer() as output:
            self._popen = _spawn(
                lambda: subprocess.Popen(
                    wrapped,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    cwd=folder,
                    start_new_session=True,
                )
            )
        self._reaped = False
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._popen.pid

    @property
    def log_file(self) -> Path:
        """The file that the child writes to."""
        if isinstance(self.log, LogReader):
            raise TypeError(f"{self.name} was started without a log file")
        return self.log.path

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal that ended it), or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> int:
        """Wait for the process to end by itself and return its exit status.

        Raises:
            ChildFailed: it still runs after `timeout_s`.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ChildFailed(f"{self.name} still runs after {timeout_s:g} s.{self.log_excerpt()}") from error

    def wait_until_ready(self, probe: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Return as soon as `probe()` is true.

        Raises:
            ChildFailed: the process ended (noticed at once), or `timeout_s` passed and the process was stopped.
        """
        deadline = time.monotonic() + timeout_s
        while not probe():
            if (status := self.poll()) is not None:
                self.stop()
                raise ChildFailed(f"{self.name} ended with status {status} before it was ready.{self.log_excerpt()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ChildFailed(f"{self.name} was not ready after {timeout_s:g} s.{self.log_excerpt()}")
            time.sleep(_POLL_S)

    def stop(self, grace_s: float = 10.0) -> int:
        """Send SIGTERM, and SIGKILL after `grace_s`; return the exit status.

        The rest of its process group is killed, too. A second call does nothing.
        """
        self.terminate()
        return self.reap(grace_s)

    def terminate(self) -> None:
        """Send SIGTERM if it still runs."""
        if self.poll() is None:
            self._signal(signal.SIGTERM)

    def reap(self, grace_s: float) -> int:
        """Wait until it ends, send SIGKILL after `grace_s`, and return the exit status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(max(0.0, grace_s))
        return self.kill()

    def kill(self) -> int:
        """Kill it and its process group with SIGKILL, and return the exit status."""
        if not self._reaped:  # after that, another process may have its id
            self._signal(signal.SIGKILL)
            self._popen.wait()
            self._reaped = True
            atexit.unregister(self.stop)
        return self._popen.wait()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that this run wrote."""
        if self.poll() is not None:
            self.log.drain()
        return self.log.tail(lines)

    def log_excerpt(self) -> str:
        """Return a sentence with the last lines of the log, to append to an error message."""
        where = self.log.path if isinstance(self.log, LogFile) else "its log"
        tail = self.log_tail()
        return f" Last lines of {where}:\n{tail}" if tail else f" Nothing is in {where}."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        # ProcessLookupError: the whole group has ended. PermissionError: on macOS, only a zombie is left in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _spawn(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a child from a thread that runs as long as this process.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends, so a child started from a pool's thread would be killed
    when the pool shuts down.
    """
    future: Future[subprocess.Popen[bytes]] = Future()
    _spawn_queue_with_thread().put((start, future))
    return future.result()


_SpawnRequest = tuple[Callable[[], subprocess.Popen[bytes]], "Future[subprocess.Popen[bytes]]"]
_spawn_queue: "queue.SimpleQueue[_SpawnRequest]" = queue.SimpleQueue()
_spawner_lock = threading.Lock()
_spawner_thread: threading.Thread | None = None


def _spawn_queue_with_thread() -> "queue.SimpleQueue[_SpawnRequest]":
    """Return the queue, having started its thread if none runs."""
    global _spawner_thread  # noqa: PLW0603  (one per process, and another in a forked child)
    with _spawner_lock:
        if _spawner_thread is None or not _spawner_thread.is_alive():
            _spawner_thread = threading.Thread(target=_run_spawner, name="child-spawner", daemon=True)
            _spawner_thread.start()
    return _spawn_queue


def _run_spawner() -> None:
    while True:
        start, future = _spawn_queue.get()
        try:
            future.set_result(start())
        except BaseException as error:  # raised in the thread that waits for the future
            future.set_exception(error)
