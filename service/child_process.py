"""One child process: its output kept, waited for until ready, never left behind."""

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

    It leads a session of its own, so Ctrl-C in the terminal reaches this process only, which then stops its children in
    order. It is stopped when the interpreter exits; on Linux it also dies when this process is killed by SIGKILL.
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
        """Start `command`. Its output is appended to `log_file`, or passed to `on_line`, a line at a time, by a thread.

        `environment` is laid over this process's own. Relative paths in the command are seen from `folder`.
        """
        self.name = name
        if (log_file is None) == (on_line is None):
            raise TypeError("a child needs a log_file or an on_line, and not both")
        self.log = LogReader(on_line) if on_line is not None else LogFile(log_file or Path())
        tied = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), *map(str, command)]
        with self.log.writer() as output:
            self._popen = _spawn(
                lambda: subprocess.Popen(
                    tied,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    cwd=folder,
                    start_new_session=True,
                )
            )
        self._gone = False
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
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
            raise ChildFailed(f"{self.name} still runs after {timeout_s:g} s.{self.last_words()}") from error

    def wait_until_ready(self, probe: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Return as soon as `probe()` is true.

        Raises:
            ChildFailed: the process ended (noticed at once), or `timeout_s` passed; it is stopped then.
        """
        deadline = time.monotonic() + timeout_s
        while not probe():
            if (status := self.poll()) is not None:
                self.stop()
                raise ChildFailed(f"{self.name} ended with status {status} before it was ready.{self.last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ChildFailed(f"{self.name} was not ready after {timeout_s:g} s.{self.last_words()}")
            time.sleep(_POLL_S)

    def stop(self, grace_s: float = 10.0) -> int:
        """Ask it to end (SIGTERM), insist after `grace_s` (SIGKILL), and return its exit status.

        What it left in its process group goes with it. Doing it twice is harmless.
        """
        self.terminate()
        return self.reap(grace_s)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), if it still runs."""
        if self.poll() is None:
            self._signal(signal.SIGTERM)

    def reap(self, grace_s: float) -> int:
        """Wait for its end, insist after `grace_s` (SIGKILL), and return its exit status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(max(0.0, grace_s))
        return self.kill()

    def kill(self) -> int:
        """End it and its process group with SIGKILL, as a power cut would, and return its exit status."""
        if not self._gone:  # a process id that was given back may be someone else's by now
            self._signal(signal.SIGKILL)
            self._popen.wait()
            self._gone = True
            atexit.unregister(self.stop)
        return self._popen.wait()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that this run wrote."""
        if self.poll() is not None:
            self.log.drain()
        return self.log.tail(lines)

    def last_words(self) -> str:
        """Return a sentence with the last lines, to end an error with."""
        where = self.log.path if isinstance(self.log, LogFile) else "its log"
        tail = self.log_tail()
        return f" The end of {where}:\n{tail}" if tail else f" Nothing is in {where}."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        # No such group: all of it has ended. No permission: macOS, for a group that holds only a zombie.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _spawn(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a child from the one thread that lives as long as this process.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends, so a child started from a pool's thread would be killed
    in mid-work.
    """
    outcome: Future[subprocess.Popen[bytes]] = Future()
    _spawner().put((start, outcome))
    return outcome.result()


_Order = tuple[Callable[[], subprocess.Popen[bytes]], "Future[subprocess.Popen[bytes]]"]
_orders: "queue.SimpleQueue[_Order]" = queue.SimpleQueue()
_spawner_start = threading.Lock()
_spawner_thread: threading.Thread | None = None


def _spawner() -> "queue.SimpleQueue[_Order]":
    global _spawner_thread  # noqa: PLW0603  (one per process, and another in a forked child)
    with _spawner_start:
        if _spawner_thread is None or not _spawner_thread.is_alive():
            _spawner_thread = threading.Thread(target=_take_orders, name="child-spawner", daemon=True)
            _spawner_thread.start()
    return _orders


def _take_orders() -> None:
    while True:
        start, outcome = _orders.get()
        try:
            outcome.set_result(start())
        except BaseException as error:  # raised where the order came from
            outcome.set_exception(error)
