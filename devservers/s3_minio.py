"""MinIO, built from source by Go. It is no longer maintained; nothing here depends on features that only MinIO has."""

from typing import ClassVar

from bannerstream.devservers.go_tools import GoTool
from bannerstream.devservers.s3_server import FolderS3Server
from bannerstream.devservers.server import Progress
from bannerstream.service.supervisor import Service

_TOOL = GoTool(
    "minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", build_time="two to three minutes"
)


class MinioS3(FolderS3Server):
    """One MinIO process over one folder."""

    name: ClassVar[str] = "s3-minio"

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        return _TOOL.why_unavailable()

    @staticmethod
    def prepare(on_progress: Progress) -> None:
        """Build it if necessary."""
        _TOOL.program(on_progress)

    def service(self) -> Service:
        """Build it if necessary; return the service to run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._service(
            [_TOOL.program(self._on_progress), "server", "--quiet", "--address", self.endpoint, self._folder],
            environment={
                "MINIO_ROOT_USER": self._credentials.access_key,
                "MINIO_ROOT_PASSWORD": self._credentials.secret_key,
                "MINIO_BROWSER": "off",  # the console would listen on every interface
                "MINIO_UPDATE": "off",  # no request to look for a newer version
            },
        )
