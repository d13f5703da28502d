"""The common part of the S3 servers: one account, a folder, a port, start and stop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import http_answers
from bannerstream.devservers.server import START_TIMEOUT_S, Progress, no_progress, start_server
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account of a local S3 server. Passed in the environment, so that no process list shows it."""

    access_key: str
    secret_key: str


class FolderS3Server(ABC):
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

    @abstractmethod
    def service(self) -> Service:
        """Prepare its files and return the service to run."""

    def _service(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> Service:
        return Service(
            self.name,
            command,
            environment,
            is_ready=lambda: http_answers(LOOPBACK, self._port),
            ready_timeout_s=START_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start it and return when it is ready."""
        self.process = start_server(self.service(), self._data_dir)

    def stop(self) -> None:
        """Stop it; its objects stay on disk."""
        if self.process is not None:
            self.process.stop()
