"""What the S3 servers share: one account, a folder, a port, and how they are started and stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bannerstream.devservers.child_process import ChildProcess
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import http_answers
from bannerstream.devservers.server import Progress, log_path, no_progress


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one account of a local S3 server. Given by environment, so that no process list shows it."""

    access_key: str
    secret_key: str


class S3Server:
    """One S3 server process over one folder, with one account."""

    name: ClassVar[str]

    def __init__(
        self, data_dir: Path, credentials: Credentials, port: int | None = None, on_progress: Progress = no_progress
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._folder = self._data_dir / self.name
        self._credentials = credentials
        self._on_progress = on_progress
        self._port = port or free_port()
        self.endpoint = f"{LOOPBACK}:{self._port}"
        self.process: ChildProcess | None = None

    def _run(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        """Start the server, and return when it answers."""
        log_file = log_path(self._data_dir, self.name)
        self.process = ChildProcess(command, name=self.name, log_file=log_file, environment=environment)
        self.process.wait_until_ready(lambda: http_answers(LOOPBACK, self._port))

    def stop(self) -> None:
        """Stop it; its objects are files and stay."""
        if self.process is not None:
            self.process.stop()
