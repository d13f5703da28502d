"""What the S3 servers share: one account, a folder, a port, and how they are started and stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import http_answers
from bannerstream.devservers.server import START_TIMEOUT_S, Progress, no_progress, started
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service


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

    def service(self) -> Service:
        """Prepare what it needs on disk, and return how it is run."""
        raise NotImplementedError

    def _service(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> Service:
        return Service(
            self.name,
            command,
            environment,
            is_ready=lambda: http_answers(LOOPBACK, self._port),
            ready_timeout_s=START_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start it and return when it answers."""
        self.process = started(self.service(), self._data_dir)

    def stop(self) -> None:
        """Stop it; its objects are files and stay."""
        if self.process is not None:
            self.process.stop()
