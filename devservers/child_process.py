"""One child process: started with a log file, waited for until ready, never left behind."""

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

from bannerstream.devservers.errors import ServerFailed

_POLL_S = 0.05
_TETHER = Path(__file__).with_name("die_with_parent.py")


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
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start `command`, appending both its streams to `log_file`.

        `environment` is laid over this process's own. Relative paths in the command are seen from `folder`.
        """
        self.name = name
        self.log_file = log_file
        log_file.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = log_file.stat().st_size if log_file.exists() else 0
        tethered = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *map(str, command)]
        with log_file.open("ab") as log:
            self._popen = _spawn(
                lambda: subprocess.Popen(
                    tethered,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
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

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal that ended it), or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> int:
        """Wait for the process to end by itself and return its exit status.

        Raises:
            ServerFailed: it still runs after `timeout_s`.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ServerFailed(f"{self.name} still runs after {timeout_s:g} s.{self._last_words()}") from error

    def wait_until_ready(self, probe: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Return as soon as `probe()` is true.

        Raises:
            ServerFailed: the process ended (noticed at once), or `timeout_s` passed; it is stopped then.
        """
        deadline = time.monotonic() + timeout_s
        while not probe():
            if (status := self.poll()) is not None:
                self.stop()
                raise ServerFailed(f"{self.name} ended with status {status} before it was ready.{self._last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"{self.name} was not ready after {timeout_s:g} s.{self._last_words()}")
            time.sleep(_POLL_S)

    def stop(self, grace_s: float = 10.0) -> int:
        """Ask it to end (SIGTERM), insist after `grace_s` (SIGKILL), and return its exit status.

        What it left in its process group goes with it. Doing it twice is harmless.
        """
        if self.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(grace_s)
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
        """Return the last lines that this run wrote to its log."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        # No such group: all of it has ended. No permission: what macOS says of a group that holds only a zombie.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _last_words(self) -> str:
        tail = self.log_tail()
        return f" The end of {self.log_file}:\n{tail}" if tail else f" {self.log_file} is empty."


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
    global _spawner_thread  # noqa: PLW0603  (one per process, and anew in a forked child)
    with _spawner_start:
        if _spawner_thread is None or not _spawner_thread.is_alive():
            _spawner_thread = threading.Thread(target=_take_orders, name="local-spawner", daemon=True)
            _spawner_thread.start()
    return _orders


def _take_orders() -> None:
    while True:
        start, outcome = _orders.get()
        try:
            outcome.set_result(start())
        except BaseException as error:  # raised where the order came from
            outcome.set_exception(error)
