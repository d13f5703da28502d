"""MinIO, built from source by Go. No longer maintained, and nothing here depends on what only it has."""

from pathlib import Path
from typing import ClassVar

from local.go_tools import GoTool
from local.ports import LOOPBACK, free_port
from local.process import ChildProcess
from local.s3_server import Credentials, start_s3
from local.servers import Progress, no_progress

_TOOL = GoTool("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", takes="two to three minutes")


class MinioS3:
    """One MinIO process over one folder."""

    name: ClassVar[str] = "s3-minio"

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
        folder = self._data_dir / self.name
        folder.mkdir(parents=True, exist_ok=True)
        self.process = start_s3(
            [_TOOL.program(self._on_progress), "server", "--quiet", "--address", self.endpoint, folder],
            name=self.name,
            data_dir=self._data_dir,
            port=self._port,
            environment={
                "MINIO_ROOT_USER": self._credentials.access_key,
                "MINIO_ROOT_PASSWORD": self._credentials.secret_key,
                "MINIO_BROWSER": "off",  # its console would listen on every interface
                "MINIO_UPDATE": "off",  # it asks nobody for a newer one
            },
        )

    def stop(self) -> None:
        """Stop it; its objects stay."""
        if self.process is not None:
            self.process.stop()
