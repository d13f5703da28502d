"""versitygw, a maintained S3 server over a plain folder, built from source by Go."""

from typing import ClassVar

from bannerstream.devservers.go_tools import GoTool
from bannerstream.devservers.s3_server import FolderS3Server
from bannerstream.devservers.server import Progress
from bannerstream.service.supervisor import Service

_TOOL = GoTool("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0", build_time="about a minute")


class VersityS3(FolderS3Server):
    """One versitygw process; objects are files in one folder, their metadata files in another.

    The second folder (`--sidecar`) replaces extended attributes, which some file systems lack.
    """

    name: ClassVar[str] = "s3-versitygw"

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
        objects, metadata = self._folder / "objects", self._folder / "metadata"
        objects.mkdir(parents=True, exist_ok=True)
        metadata.mkdir(exist_ok=True)
        return self._service(
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
            environment={
                "ROOT_ACCESS_KEY": self._credentials.access_key,
                "ROOT_SECRET_KEY": self._credentials.secret_key,
            },
        )
