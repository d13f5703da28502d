"""A Kafka broker and an S3 server, started together: the servers that Bannerstream needs on one machine."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from bannerstream.devservers.errors import ServerMissing
from bannerstream.devservers.kafka_apache import ApacheKafka
from bannerstream.devservers.kafka_embedded import EmbeddedKafka
from bannerstream.devservers.s3_embedded import EmbeddedS3
from bannerstream.devservers.s3_minio import MinioS3
from bannerstream.devservers.s3_server import Credentials
from bannerstream.devservers.s3_versitygw import VersityS3
from bannerstream.devservers.server import KafkaServer, Progress, S3Server, no_progress
from bannerstream.service.supervisor import Service
from bannerstream.settings.storage import StorageSettings

_T = TypeVar("_T")

KafkaKind = Literal["embedded", "apache"]
S3Kind = Literal["embedded", "minio", "versitygw"]

_KAFKA: dict[KafkaKind, type[EmbeddedKafka | ApacheKafka]] = {"embedded": EmbeddedKafka, "apache": ApacheKafka}
_S3: dict[S3Kind, type[EmbeddedS3 | MinioS3 | VersityS3]] = {
    "embedded": EmbeddedS3,
    "minio": MinioS3,
    "versitygw": VersityS3,
}


def why_unavailable(kafka: KafkaKind, s3: S3Kind) -> str | None:
    """Return what this machine lacks for this pair of servers, or None if both can start."""
    reasons = (_KAFKA[kafka].why_unavailable(), _S3[s3].why_unavailable())
    return "; ".join(reason for reason in reasons if reason is not None) or None


def kafka_server(
    kind: KafkaKind, data_dir: Path, port: int | None = None, on_progress: Progress = no_progress
) -> KafkaServer:
    """Return a broker, not started."""
    return _KAFKA[kind](data_dir, port, on_progress)


def s3_server(kind: S3Kind, data_dir: Path, port: int | None = None, on_progress: Progress = no_progress) -> S3Server:
    """Return an S3 server with the default credentials of the settings, not started."""
    defaults = StorageSettings()
    credentials = Credentials(defaults.access_key, defaults.secret_key.get_secret_value())
    return _S3[kind](data_dir, credentials, port, on_progress)


def kafka_overrides(bootstrap_servers: str) -> dict[str, dict[str, Any]]:
    """Return the arguments for `settings.load_settings` that point to a single-node broker."""
    return {
        "kafka": {
            "bootstrap_servers": bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "replication_factor": 1,
        }
    }


def storage_overrides(endpoint: str) -> dict[str, dict[str, Any]]:
    """Return the arguments for `settings.load_settings` that point to an S3 server of `s3_server`."""
    defaults = StorageSettings()
    return {
        "storage": {
            "endpoint": endpoint,
            "secure": False,
            "access_key": defaults.access_key,
            "secret_key": defaults.secret_key.get_secret_value(),
            "region": defaults.region,
        }
    }


def environment_of(overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the `BANNERSTREAM_…` variables equivalent to `load_settings(**overrides)`, for a child process."""
    return {
        f"BANNERSTREAM_{group}__{name}".upper(): value if isinstance(value, str) else json.dumps(value, default=str)
        for group, values in overrides.items()
        for name, value in values.items()
    }


class Stack:
    """Both servers under one data folder, on loopback; a context manager.

    Topics, offsets and objects stay in the folder for the next start. Free ports are chosen unless they are given.
    Entering raises ServerMissing (a program is not installed), ServerFailed (a program could not be fetched or built)
    or ChildFailed (a server did not start); then nothing is left running.
    """

    def __init__(
        self,
        kafka: KafkaKind = "embedded",
        s3: S3Kind = "embedded",
        *,
        data_dir: Path,
        kafka_port: int | None = None,
        s3_port: int | None = None,
        on_progress: Progress = no_progress,
    ) -> None:
        self._missing = why_unavailable(kafka, s3)
        self.kafka = kafka_server(kafka, data_dir, kafka_port, on_progress)
        self.s3 = s3_server(s3, data_dir, s3_port, on_progress)

    def start(self) -> None:
        """Start both at the same time and return when both are ready."""
        try:
            self._run_both(self.kafka.start, self.s3.start)
        except BaseException:  # Ctrl-C too
            self.stop()
            raise

    def services(self) -> list[Service]:
        """Prepare both and return the services to run, for a supervisor."""
        return self._run_both(self.kafka.service, self.s3.service)

    def _run_both(self, kafka: Callable[[], _T], s3: Callable[[], _T]) -> list[_T]:
        """Run both at the same time and return both results: each may download or build for minutes."""
        if self._missing is not None:
            raise ServerMissing(self._missing)
        with ThreadPoolExecutor(max_workers=2) as pool:
            return [future.result() for future in [pool.submit(kafka), pool.submit(s3)]]

    def stop(self) -> None:
        """Stop both; their data stays. A second call does nothing."""
        try:
            self.s3.stop()
        finally:
            self.kafka.stop()

    def environment(self) -> dict[str, str]:
        """Return the `BANNERSTREAM_…` variables that point a child process to these servers."""
        return environment_of(self.settings_overrides())

    def settings_overrides(self) -> dict[str, dict[str, Any]]:
        """Return the same as arguments for `settings.load_settings(**overrides)`."""
        return kafka_overrides(self.kafka.bootstrap_servers) | storage_overrides(self.s3.endpoint)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
