"""What the S3 servers share: one account, and how they are started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.ports import LOOPBACK
from local.probes import http_answers
from local.process import ChildProcess
from local.servers import log_path


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one account of a local S3 server. Given by environment, so that no process list shows it."""

    access_key: str
    secret_key: str


def start_s3(
    command: list[str | Path],
    *,
    name: str,
    data_dir: Path,
    port: int,
    environment: Mapping[str, str],
) -> ChildProcess:
    """Start an S3 server and return when it answers."""
    process = ChildProcess(command, name=name, log_file=log_path(data_dir, name), environment=environment)
    process.wait_until_ready(lambda: http_answers(LOOPBACK, port))
    return process
