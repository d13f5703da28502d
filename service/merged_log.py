"""One readable log of several processes: every line has the name of the process that wrote it."""

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["console", "json"]

SUPERVISOR = "supervisor"
"""The name on the supervisor's own lines."""

_COLOURS = (36, 33, 35, 32, 34, 31)  # ANSI: cyan, yellow, magenta, green, blue, red
_MIN_WIDTH = len(SUPERVISOR)


class MergedLog:
    """Writes lines from many threads to one stream, a line at a time.

    The format `console` puts the name in front of each line, in colour on a terminal. `json` writes one object a line:
    a child's JSON objects with a field `worker` added, and any other line as `{"worker", "timestamp", "event"}`.
    """

    def __init__(self, stream: TextIO, log_format: LogFormat = "console") -> None:
        self._stream = stream
        self._format = log_format
        self._in_colour = log_format == "console" and stream.isatty()
        self._names: dict[str, int] = {}
        self._lock = threading.Lock()

    def align(self, names: Iterable[str]) -> None:
        """Align the lines of these names from the first line on, and assign colours in this order."""
        with self._lock:
            for name in names:
                self._names.setdefault(name, len(self._names))

    def write(self, name: str, line: str) -> None:
        """Write a line of the named process."""
        with self._lock:
            number = self._names.setdefault(name, len(self._names))
            rendered = _as_json(name, line) if self._format == "json" else self._as_text(name, number, line)
            self._stream.write(f"{rendered}\n")
            self._stream.flush()

    def note(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self.write(SUPERVISOR, text if self._format == "json" else f"{_now()} {text}")

    def _as_text(self, name: str, number: int, line: str) -> str:
        padded = name.ljust(max(_MIN_WIDTH, *map(len, self._names)))
        return (
            f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{padded} |\x1b[0m {line}"
            if self._in_colour
            else f"{padded} | {line}"
        )


def _as_json(name: str, line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        entry = {"timestamp": _now(), "event": line}
    # A child that supervises workers of its own has added their names already.
    worker = f"{name}/{entry['worker']}" if "worker" in entry else name
    return json.dumps({**entry, "worker": worker}, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
