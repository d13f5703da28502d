"""`bannerstream up`: servers on this machine, until Ctrl-C."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bannerstream.cli.console import stderr, stdout
from bannerstream.devservers.server import log_path
from bannerstream.devservers.stack import Stack
from bannerstream.service.merged_log import MergedLog
from bannerstream.service.supervisor import Supervisor


class KafkaServer(StrEnum):
    """Which broker."""

    EMBEDDED = "embedded"
    APACHE = "apache"


class S3Server(StrEnum):
    """Which store."""

    EMBEDDED = "embedded"
    MINIO = "minio"
    VERSITYGW = "versitygw"


Kafka = Annotated[KafkaServer, typer.Option("--kafka", help="Broker: a wheel, or Apache Kafka (needs Java and Maven).")]
S3 = Annotated[S3Server, typer.Option("--s3", help="Store: a wheel, or MinIO or versitygw (need Go).")]


def up(
    kafka: Kafka = KafkaServer.EMBEDDED,
    s3: S3 = S3Server.EMBEDDED,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Where the servers keep their data.")] = Path(
        ".cache/up"
    ),
) -> None:
    """Start a broker and a store on loopback and print the variables that lead to them; stop on Ctrl-C.

    For trying out, never for production.
    """
    status = stderr.status("starting servers")

    def show() -> None:
        status.stop()
        for name, value in stack.environment().items():
            stdout.print(f"export {name}={value}", highlight=False, soft_wrap=True)
        stderr.print("servers are up; paste the lines above into another terminal. Ctrl-C stops them.", style="green")

    stack = Stack(kafka.value, s3.value, data_dir=data_dir, on_progress=status.update)
    with status:
        services = stack.services()  # Ctrl-C ends it here and now: a server that is built from source takes minutes
        log_file = log_path(data_dir, "up")
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("a", encoding="utf-8") as log:
            Supervisor([services], MergedLog(log)).run_until_stopped(show)
