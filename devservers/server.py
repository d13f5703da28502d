"""What every local server offers, whichever program is behind it."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

from bannerstream.devservers.child_process import ChildProcess

Progress = Callable[[str], None]
"""Told, in a few words, what takes long: a download, a build."""


def no_progress(_: str) -> None:
    """Say nothing."""


class LocalServer(Protocol):
    """A server under a data folder, which it finds again at the next start."""

    name: ClassVar[str]
    process: ChildProcess | None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing on this machine and how to get it, or None when the server can start."""
        ...

    def start(self) -> None:
        """Start it and return when it serves; raises ServerMissing or ServerFailed."""
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


def log_path(data_dir: Path, name: str) -> Path:
    """Return where a server of this name keeps its log."""
    return data_dir / "logs" / f"{name}.log"
