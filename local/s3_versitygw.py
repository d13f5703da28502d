"""versitygw, a maintained S3 server over a plain folder, built from source by Go."""

from pathlib import Path
from typing import ClassVar

from local.go_tools import GoTool
from local.ports import LOOPBACK, free_port
from local.process import ChildProcess
from local.s3_server import Credentials, start_s3
from local.servers import Progress, no_progress

_TOOL = GoTool("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0", takes="about a minute")


class VersityS3:
    """One versitygw process; objects are files under one folder, their metadata under another.

    The second folder (`--sidecar`) stands in for extended attributes, which not every file system has.
    """

    name: ClassVar[str] = "s3-versitygw"

    def __init__(
        self, data_dir: Path, credentials: Credentials, port: int | None = None, on_progress: Progress = no_progress
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._credentials = credentials
        self._on_progress = on_progress
        self._port = port or free_port()
        self.endpoint = f"{LOOPBACK}:{self._port}"
        self.process: ChildProcess | None = None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        return _TOOL.why_unavailable()

    def start(self) -> None:
        """Build it where that was not done yet, start it, and return when it answers."""
        objects, metadata = (self._data_dir / self.name / each for each in ("objects", "metadata"))
        objects.mkdir(parents=True, exist_ok=True)
        metadata.mkdir(exist_ok=True)
        self.process = start_s3(
            [
                _TOOL.program(self._on_progress),
                "--quiet",
                "--port",
                self.endpoint,
                "posix",
                "--sidecar",
                metadata,
                objects,
            ],
            name=self.name,
            data_dir=self._data_dir,
            port=self._port,
            environment={
                "ROOT_ACCESS_KEY": self._credentials.access_key,
                "ROOT_SECRET_KEY": self._credentials.secret_key,
            },
        )

    def stop(self) -> None:
        """Stop it; its objects stay."""
        if self.process is not None:
            self.process.stop()
