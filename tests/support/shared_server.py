"""One server for all processes of a test session: the first user starts it, and it stops after the last."""

import fcntl
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bannerstream.devservers.server import LocalServer

Start = Callable[[Path], tuple[LocalServer, str]]
"""Starts a server with an empty data folder, and returns it with its address."""


class SharedServer:
    """A server's address, reserved until `release`.

    pytest-xdist's workers are processes that start and end at different times. Each user holds a shared lock on the
    server's lock file; the process that started the server waits for the exclusive lock, and then stops the server. The
    kernel releases the locks of a process that dies, and a server dies with the process that started it.
    """

    def __init__(self, folder: Path, start: Start) -> None:
        """Use the server that is registered in `folder`, or call `start` with a data folder and register it."""
        self._server: LocalServer | None = None
        self._registration = folder / "address.json"
        folder.mkdir(parents=True, exist_ok=True)
        with self._exclusive():
            held = self._use_registered()
            if held is None:  # not started yet, or the process that started it is stopping it
                held = self._start(start, folder / uuid.uuid4().hex[:8])
        self._held, self.address = held

    def release(self) -> None:
        """Release the server; the process that started it waits for the other users, and then stops it."""
        if self._server is None:
            self._held.close()
            return
        fcntl.flock(self._held, fcntl.LOCK_EX)
        try:
            with self._exclusive():
                if (
                    self._registration.is_file()
                    and json.loads(self._registration.read_text())["lock"] == self._held.name
                ):
                    self._registration.unlink()
            self._server.stop()
        finally:
            self._held.close()

    def _use_registered(self) -> tuple[IO[str], str] | None:
        if not self._registration.is_file():
            return None
        registered = json.loads(self._registration.read_text())
        held = _hold(Path(registered["lock"]))
        return None if held is None else (held, registered["address"])

    def _start(self, start: Start, data: Path) -> tuple[IO[str], str]:
        data.mkdir()
        self._server, address = start(data)
        lock = data / "lock"
        lock.touch()
        held = _hold(lock)
        assert held is not None
        self._registration.write_text(json.dumps({"address": address, "lock": str(lock)}))
        return held, address

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._registration.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _hold(lock: Path) -> IO[str] | None:
    """Return the lock file with a shared lock; None while the server is being stopped."""
    file = lock.open("r+")
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
