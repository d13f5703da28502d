"""One server for all processes of a test session: who needs it first starts it, and it stops when nobody uses it."""

import fcntl
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bannerstream.devservers.server import LocalServer

Start = Callable[[Path], tuple[LocalServer, str]]
"""Starts a server on an empty folder for its data, and returns it with its address."""


class SharedServer:
    """A server's address, held until `release`.

    pytest-xdist's workers are processes that start and end at different times. Each user holds a shared lock on the
    server's lock file; the process that started the server waits until it has that lock alone, and stops it. The
    kernel drops the locks of a process that dies, and a server dies with the process that started it.
    """

    def __init__(self, folder: Path, start: Start) -> None:
        """Use the server that is noted in `folder`, or call `start` with a folder for its data and note it there."""
        self._server: LocalServer | None = None
        self._note = folder / "address.json"
        folder.mkdir(parents=True, exist_ok=True)
        with self._noting():
            held = self._use_noted()
            if held is None:  # not started yet, or the process that started it is stopping it
                held = self._start(start, folder / uuid.uuid4().hex[:8])
        self._held, self.address = held

    def release(self) -> None:
        """Let go of the server; the process that started it waits until all others have, and stops it."""
        if self._server is None:
            self._held.close()
            return
        fcntl.flock(self._held, fcntl.LOCK_EX)
        try:
            with self._noting():
                if self._note.is_file() and json.loads(self._note.read_text())["lock"] == self._held.name:
                    self._note.unlink()
            self._server.stop()
        finally:
            self._held.close()

    def _use_noted(self) -> tuple[IO[str], str] | None:
        if not self._note.is_file():
            return None
        noted = json.loads(self._note.read_text())
        held = _hold(Path(noted["lock"]))
        return None if held is None else (held, noted["address"])

    def _start(self, start: Start, data: Path) -> tuple[IO[str], str]:
        data.mkdir()
        self._server, address = start(data)
        lock = data / "lock"
        lock.touch()
        held = _hold(lock)
        assert held is not None
        self._note.write_text(json.dumps({"address": address, "lock": str(lock)}))
        return held, address

    @contextmanager
    def _noting(self) -> Iterator[None]:
        with self._note.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _hold(lock: Path) -> IO[str] | None:
    """Return the lock file, held together with other users; None while the server is being stopped."""
    file = lock.open("r+")
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
