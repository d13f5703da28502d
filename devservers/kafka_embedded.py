"""The embedded broker: noida-db, a Kafka-compatible server in one wheel. For trials and small loads.

Observed with version 0.2.3, by tests/integration/test_servers.py or by hand:
- Works as in Kafka: CreateTopics with partitions and configs, CreatePartitions, DeleteRecords, headers, timestamps, all
  compressions, consumer groups with rebalancing, offset commits, idempotent and transactional producers.
- Sessions: a group member's session timeout must be 6 s or more, as in Kafka's defaults; there is no setting for less.
- Dead members: sessions do not expire. A member that dies without leaving (SIGKILL, a power cut) stays in the group,
  and the next member's join waits for it: still after 340 s, at a session timeout of 6 s and a rebalance timeout of 20
  s. A clean stop leaves the group at once. Workarounds: restart the broker, which forgets all members; another group
  id; or static membership, where the same `group.instance.id` takes the place over.
- Durability: everything is in memory, and is written once a second as one JSON file (about 400 bytes a small record).
  SIGTERM writes it too; SIGKILL of the *broker* loses up to a second of acknowledged records, so tests that
  kill brokers run on Apache Kafka. SIGKILL of a client loses nothing.
- Topics: a metadata request for an unknown topic creates it with one partition. Create topics first.
- Compaction: `cleanup.policy=compact` is accepted and shown, but old values stay. A record without a key to such a
  topic is rejected with error -1 (Kafka: 87, INVALID_RECORD).
- Retention counts from the record's own timestamp and acts at once: records with a timestamp older than `retention.ms`
  (7 days) vanish. Kafka does the same, later. Send old events with the current time as the record's timestamp, and
  their own time in the payload.
"""

import shutil
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from bannerstream.devservers.errors import ServerMissing
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import kafka_answers
from bannerstream.devservers.server import START_TIMEOUT_S, Progress, no_progress, start_server
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service


class EmbeddedKafka:
    """A noida-db process that serves Kafka only."""

    name: ClassVar[str] = "kafka-embedded"

    def __init__(self, data_dir: Path, port: int | None = None, on_progress: Progress = no_progress) -> None:
        self._data_dir = data_dir.resolve()
        self._on_progress = on_progress
        self._port = port or free_port()
        self.bootstrap_servers = f"{LOOPBACK}:{self._port}"
        self.process: ChildProcess | None = None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        if find_spec("noida_db") is None:
            return "The embedded broker is not installed: pip install 'bannerstream[demo]'"
        return None

    def service(self) -> Service:
        """Return the service to run."""
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        folder = self._data_dir / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return Service(
            self.name,
            [_program(), "start", "--data-dir", folder, "--only", "kafka", "--kafka-port", str(self._port)],
            is_ready=lambda: kafka_answers(LOOPBACK, self._port),
            ready_timeout_s=START_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start it and return when it is ready."""
        self.process = start_server(self.service(), self._data_dir)

    def stop(self) -> None:
        """Stop it; it writes its data to disk first."""
        if self.process is not None:
            self.process.stop()


def _program() -> Path:
    """Return the binary inside the wheel: with its console script, a wrapper process would receive our signals."""
    with resources.as_file(resources.files("noida_db") / "noida-db") as program:
        if shutil.which(program) is None:
            program.chmod(0o755)  # the wheel's own launcher does the same
        return program
