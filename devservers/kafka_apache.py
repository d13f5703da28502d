"""Apache Kafka: one node in KRaft mode, from jars that Maven fetches once into the user's cache."""

import base64
import hashlib
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from bannerstream.devservers.build_step import cache_folder, cache_lock, run_build_command
from bannerstream.devservers.errors import ServerFailed, ServerMissing
from bannerstream.devservers.kafka_security import KafkaSecurity, Listener
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.probes import kafka_answers
from bannerstream.devservers.server import Progress, no_progress, start_server
from bannerstream.service.child_process import ChildProcess
from bannerstream.service.supervisor import Service

_POM = Path(__file__).resolve().parent.parent / "deploy" / "kafka" / "pom.xml"
_JAVA = 17  # the oldest version that a Kafka 4 broker runs on
_FETCH_TIMEOUT_S = 600
_START_TIMEOUT_S = 60.0  # about 4 s on two idle cores; ten times that when they are busy
_ADMIN_TIMEOUT_S = 60.0

# A small heap and a collector without threads of its own, because several brokers may share a machine. Without the
# second compiler a start costs 2.1 s of processor time, not 3.4 s; benchmarks pass their own options (`bench.streams`).
SMALL_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class ApacheKafka:
    """A broker and controller in one Java process.

    With `proxy_port`, a second listener (at `proxied`) advertises that port: all connections of a client that
    bootstraps there go through the proxy. With `security`, it has the listeners `sasl_ssl` and `ssl`, too, and checks
    rights; clients of the first listener may do everything. `properties` are added to server.properties.
    """

    name: ClassVar[str] = "kafka-apache"

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        on_progress: Progress = no_progress,
        *,
        proxy_port: int | None = None,
        security: KafkaSecurity | None = None,
        properties: Mapping[str, str] | None = None,
        jvm: Sequence[str] = SMALL_JVM,
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._on_progress = on_progress
        self._jvm = jvm
        self._port = port or free_port()
        self._extra = dict(properties or {})
        self.bootstrap_servers = f"{LOOPBACK}:{self._port}"
        self._listeners = [Listener("PLAINTEXT", self.bootstrap_servers)]
        self._security = security
        self.proxied: str | None = None
        if proxy_port is not None:
            self.proxied = f"{LOOPBACK}:{free_port()}"
            self._listeners.append(Listener("PROXIED", self.proxied, f"{LOOPBACK}:{proxy_port}"))
        self.sasl_ssl = self.ssl = ""
        if security is not None:
            self.sasl_ssl, self.ssl = f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{free_port()}"
            self._listeners += [
                Listener("SECURED", self.sasl_ssl, protocol="SASL_SSL"),
                Listener("MUTUAL", self.ssl, protocol="SSL"),
            ]
            self._extra = security.properties("SECURED", "MUTUAL") | self._extra
            self._jvm = (*jvm, *security.jvm())
        self.process: ChildProcess | None = None

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        if not _POM.is_file():
            return "Apache Kafka is fetched by deploy/kafka/pom.xml, which is not here: run from a checkout"
        if (version := _java_version()) is None or version < _JAVA:
            found = "is not installed" if version is None else f"is too old ({version})"
            return f"Java {found}; Kafka needs {_JAVA} or newer: apt-get install openjdk-17-jre-headless"
        if not jars_folder().is_dir() and shutil.which("mvn") is None:
            return "Maven, which fetches Kafka, is not installed: apt-get install maven"
        return None

    @staticmethod
    def prepare(on_progress: Progress) -> None:
        """Fetch the jars if they are not in the cache."""
        _fetch_jars(on_progress)

    def service(self) -> Service:
        """Fetch the jars and format the storage if necessary; return the service to run."""
        if (reason := self.why_unavailable()) is not None:
            raise ServerMissing(reason)
        jars = _fetch_jars(self._on_progress)
        folder = self._data_dir / self.name
        folder.mkdir(parents=True, exist_ok=True)
        java = ["java", "-cp", f"{jars}/*", *self._jvm, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        properties = folder / "server.properties"
        properties.write_text(_properties(self._listeners, free_port(), folder / "log", self._extra), encoding="utf-8")
        if not (folder / "log" / "meta.properties").is_file():
            _format_storage(java, properties, () if self._security is None else self._security.format_options())
        return Service(
            self.name,
            [*java, "kafka.Kafka", properties],
            is_ready=lambda: kafka_answers(LOOPBACK, self._port),
            ready_timeout_s=_START_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start it and return when it is ready."""
        self.process = start_server(self.service(), self._data_dir)

    def stop(self) -> None:
        """Shut it down cleanly (about half a second)."""
        if self.process is not None:
            self.process.stop(grace_s=20.0)

    def alter_config(self, *arguments: str) -> None:
        """Run kafka-configs.sh's `--alter` with these arguments (about 2 s).

        aiokafka cannot set quotas, and its request for topics resets every option that it does not name.

        Raises:
            ServerFailed: Kafka rejected the change, or did not answer.
        """
        jars = _fetch_jars(self._on_progress)
        command = ["java", "-cp", f"{jars}/*", *SMALL_JVM, "org.apache.kafka.tools.ConfigCommand"]
        completed = subprocess.run(
            [*command, "--bootstrap-server", self.bootstrap_servers, "--alter", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ADMIN_TIMEOUT_S,
        )
        if completed.returncode != 0:
            output = (completed.stdout + completed.stderr)[-2000:]
            raise ServerFailed(f"Kafka rejected {' '.join(arguments)}:\n{output}")


def _properties(listeners: Sequence[Listener], controller_port: int, logs: Path, extra: Mapping[str, str]) -> str:
    """Return server.properties. The quorum is static, so that the ports may differ at the next start."""
    bound = ",".join(f"{listener.name}://{listener.address}" for listener in listeners)
    advertised = ",".join(f"{listener.name}://{listener.advertised or listener.address}" for listener in listeners)
    protocols = ",".join(f"{listener.name}:{listener.protocol}" for listener in listeners)
    added = "".join(f"{name}={value}\n" for name, value in extra.items())
    return f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{controller_port}
listeners={bound},CONTROLLER://{LOOPBACK}:{controller_port}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
log.dirs={logs}
# A topic that nobody created is an error that tests must see.
auto.create.topics.enable=false
# There is one node.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Few internal partitions for a fast start; no initial wait for more group members; fast detection of dead members.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
{added}"""


def _format_storage(java: list[str], properties: Path, options: Sequence[str]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # With `=`, because one id in 64 begins with a dash and would be parsed as an option.
    arguments = [f"--cluster-id={cluster}", f"--config={properties}", *options]
    command = [*java, "kafka.tools.StorageTool", "format", *arguments]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise ServerFailed(f"Kafka could not format its storage:\n{completed.stdout}{completed.stderr}")


def _fetch_jars(on_progress: Progress) -> Path:
    """Return the folder of jars. Maven fills it the first time; a failed fetch leaves no folder."""
    jars = jars_folder()
    if jars.is_dir():
        return jars
    with cache_lock(jars.name):
        if jars.is_dir():  # another process fetched them meanwhile
            return jars
        on_progress("fetching Apache Kafka with Maven, once (about 54 MB)")
        with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
            fetched = Path(scratch) / "jars"
            command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
            run_build_command(
                [*command, f"-DoutputDirectory={fetched}"],
                "Maven could not fetch Apache Kafka",
                timeout_s=_FETCH_TIMEOUT_S,
            )
            fetched.rename(jars)
    return jars


def jars_folder() -> Path:
    """Return the cache folder for the jars of exactly this pom."""
    return cache_folder() / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]}"


def _java_version() -> int | None:
    if shutil.which("java") is None:
        return None
    stderr = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    major = re.search(r'version "(\d+)', stderr)
    return int(major.group(1)) if major else None
