"""`bannerstream up`: servers on this machine, until Ctrl-C."""

import signal
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from bannerstream.cli.console import stderr, stdout
from bannerstream.devservers.stack import Stack


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
    with stderr.status("starting servers") as status:
        stack = Stack(kafka.value, s3.value, data_dir=data_dir, on_progress=status.update)
        stack.start()  # Ctrl-C ends it here and now: a server that is built from source takes minutes
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        for name, value in stack.environment().items():
            stdout.print(f"export {name}={value}", highlight=False, soft_wrap=True)
        stderr.print("servers are up; paste the lines above into another terminal. Ctrl-C stops them.", style="green")
        stop.wait()
    finally:
        stack.stop()
