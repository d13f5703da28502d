"""The interface of every local server, and how one is started."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service

START_TIMEOUT_S = 30.0

Progress = Callable[[str], None]
"""Called with a short description of a long step: a download, a build."""


def no_progress(_: str) -> None:
    """Ignore progress."""


class LocalServer(Protocol):
    """A server that keeps its data in a folder and finds it there at the next start."""

    name: ClassVar[str]
    process: ChildProcess | None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing on this machine and how to get it, or None when the server can start."""
        ...

    def service(self) -> Service:
        """Prepare its files and return the service to run; raises ServerMissing or ServerFailed."""
        ...

    def start(self) -> None:
        """Start it and return when it is ready; raises ServerMissing, ServerFailed or ChildFailed."""
        ...

    def stop(self) -> None:
        """Stop it; its data stays."""
        ...


class KafkaServer(LocalServer, Protocol):
    """A Kafka broker."""

    bootstrap_servers: str


class S3Server(LocalServer, Protocol):
    """An S3 server; `endpoint` is `host:port`."""

    endpoint: str


def start_server(service: Service, data_dir: Path) -> ChildProcess:
    """Start a server with its own log file in the data folder, and return when it is ready.

    Raises:
        ChildFailed: it ended, or was not ready in time.
    """
    process = ChildProcess(
        service.command,
        name=service.name,
        log_file=log_path(data_dir, service.name),
        environment=service.environment,
    )
    try:
        process.wait_until_ready(service.is_ready, service.ready_timeout_s)
    except BaseException:  # Ctrl-C too
        process.stop()
        raise
    return process


def log_path(data_dir: Path, name: str) -> Path:
    """Return the path of a server's log."""
    return data_dir / "logs" / f"{name}.log"
