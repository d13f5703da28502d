"""A child's output: appended to a file, or passed line by line to a function. Both can return the last lines."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_TAIL_LINES = 20
_LINE_BYTES = 65_536
"""A longer line is passed on in pieces: a child that never writes a newline must not fill the memory."""
_DRAIN_S = 2.0


class LogFile:
    """A log file that the child appends to directly."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._start = path.stat().st_size if path.exists() else 0

    def writer(self) -> BinaryIO:
        """Return the file object to use as the child's standard output and standard error."""
        return self.path.open("ab")

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of this run."""
        with self.path.open("rb") as log:
            log.seek(self._start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def drain(self) -> None:
        """Return at once: the file already contains everything that the child has written."""


class LogReader:
    """Reads a child's output in a thread and calls `on_line` with every line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._thread: threading.Thread

    def writer(self) -> BinaryIO:
        """Return the file object to use as the child's standard output and standard error."""
        read_end, write_end = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(read_end,), name="child-log", daemon=True)
        self._thread.start()
        return os.fdopen(write_end, "wb", buffering=0)

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of this run, at most 20."""
        return "\n".join(list(self._tail)[-lines:])

    def drain(self) -> None:
        """Return when every line of an ended child has been passed on."""
        self._thread.join(_DRAIN_S)  # bounded: a grandchild that still runs keeps the pipe open

    def _read(self, read_end: int) -> None:
        with os.fdopen(read_end, "rb") as output:
            while line := output.readline(_LINE_BYTES):
                text = line.decode(errors="replace").rstrip("\r\n")
                self._tail.append(text)
                with suppress(OSError, ValueError):  # a full disk or a closed terminal must not stop the child
                    self._on_line(text)
