"""Kafka brokers and S3 servers for tests, as a pytest plugin: `kafka`, `s3`, and settings that point to them.

A test that uses `kafka`, `s3`, `overrides`, `settings` or `environment` runs once for each pair of servers in `PAIRS`,
or for the pairs of its mark `pairs("embedded", …)`. With the mark `servers("kafka")` or `servers("s3")` it needs only
one of the two, and the other is not started. Its parameter ids still name the whole pair, so that an id means the same
in every file; a test that would run twice on one server is marked `full` (see `tests.support.selection`).

A server starts at its first use and runs until the end of the session. Apache Kafka, MinIO and VersityGW are shared by
all workers of pytest-xdist; embedded servers start in a fraction of a second, so each worker has its own. Every test
has its own topics, groups and buckets. Tests that stop, alter or kill a server start a separate one.
"""

import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from bannerstream.contracts.topics import Topics
from bannerstream.devservers.errors import ServerFailed
from bannerstream.devservers.kafka_apache import ApacheKafka
from bannerstream.devservers.s3_minio import MinioS3
from bannerstream.devservers.s3_versitygw import VersityS3
from bannerstream.devservers.server import LocalServer
from bannerstream.devservers.stack import (
    KafkaKind,
    S3Kind,
    environment_of,
    kafka_overrides,
    kafka_server,
    s3_server,
    storage_overrides,
)
from bannerstream.devservers.toxiproxy import Toxiproxy
from bannerstream.settings.model import Settings
from tests.support.secured_kafka import start_secured_kafka
from tests.support.shared_server import SharedServer, Start

Pair = tuple[KafkaKind, S3Kind]
Overrides = dict[str, dict[str, Any]]

EMBEDDED: Pair = ("embedded", "embedded")
PAIRS: dict[str, Pair] = {
    "embedded": EMBEDDED,
    "apache-minio": ("apache", "minio"),
    "apache-versitygw": ("apache", "versitygw"),
}
BY_NAME: dict[str, Pair] = {"apache": ("apache", "embedded")}
"""Only for tests that name it: they are about Kafka, and any store will do."""
REAL: tuple[Pair, ...] = (PAIRS["apache-minio"], PAIRS["apache-versitygw"])


@dataclass(frozen=True)
class Broker:
    """A Kafka broker that this test may use, but not stop."""

    bootstrap_servers: str


@dataclass(frozen=True)
class Store:
    """An S3 server that this test may use, but not stop; `endpoint` is `host:port`."""

    endpoint: str


class Servers:
    """The servers of this session, each started at its first use."""

    def __init__(self, own: Path, shared: Path) -> None:
        """Keep data under `own`, or under `shared` for servers that all workers of the session use."""
        self._own = own
        self._shared = shared
        self._used: dict[str, SharedServer] = {}
        self._until_the_end = ExitStack()

    def kafka(self, kind: KafkaKind) -> Broker:
        """Return the broker of this kind; skip the test where it cannot run."""

        def start(data: Path) -> tuple[LocalServer, str]:
            server = kafka_server(kind, data)
            server.start()
            return server, server.bootstrap_servers

        _skip_unless_available(kafka_server(kind, self._own))
        return Broker(self._use("kafka", kind, start))

    def secured_kafka(self) -> str:
        """Return the address of a broker with TLS, logins and ACLs (see `tests.support.secured_kafka`)."""
        _skip_unless_available(ApacheKafka(self._own))
        return self._use("kafka", "secured", start_secured_kafka)

    def s3(self, kind: S3Kind) -> Store:
        """Return the S3 server of this kind; skip the test where it cannot run."""

        def start(data: Path) -> tuple[LocalServer, str]:
            server = s3_server(kind, data)
            server.start()
            return server, server.endpoint

        _skip_unless_available(s3_server(kind, self._own))
        return Store(self._use("s3", kind, start))

    def stop(self) -> None:
        """Release all of them."""
        self._until_the_end.close()

    def _use(self, what: str, kind: str, start: Start) -> str:
        name = f"{what}-{kind}"
        if name not in self._used:
            server = SharedServer((self._own if kind == "embedded" else self._shared) / name, start)
            self._used[name] = server
            self._until_the_end.callback(server.release)
        return self._used[name].address


_SERVERS = pytest.StashKey[Servers]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch and build the real servers before the tests: a compiler takes longer than a test's time limit."""
    if session.config.option.collectonly or not any(item.get_closest_marker("real") for item in session.items):
        return
    for server in (ApacheKafka, MinioS3, VersityS3, Toxiproxy):
        if server.why_unavailable() is None:
            with suppress(ServerFailed):  # the tests that need it will fail with the reason
                server.prepare(lambda line: print(line, file=sys.__stderr__, flush=True))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the servers here: the teardown of a fixture would count towards the last test's time limit."""
    if (servers := session.config.stash.get(_SERVERS, None)) is not None:
        servers.stop()


@pytest.hookimpl(tryfirst=True)  # before a file's own parameters: an id begins with its servers
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each pair of servers, or once for each server if it needs only one of the two."""
    if "server_pair" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("pairs")
    known = PAIRS if mark is None else PAIRS | BY_NAME
    needed = needs(metafunc.definition)
    chosen, seen = [], set()
    for name in [name for name in known if mark is None or name in mark.args]:
        kafka, s3 = known[name]
        used = (kafka if "kafka" in needed else None, s3 if "s3" in needed else None)
        marks = [pytest.mark.real] if {*used} - {None, "embedded"} else []
        marks += [pytest.mark.full] if used in seen else []
        chosen.append(pytest.param(known[name], id=name, marks=marks))
        seen.add(used)
    metafunc.parametrize("server_pair", chosen, indirect=True)


def needs(item: pytest.Item) -> tuple[str, ...]:
    """Return which servers a test needs."""
    mark = item.get_closest_marker("servers")
    return ("kafka", "s3") if mark is None else mark.args


@pytest.fixture(scope="session")
def shared_servers(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Servers:
    """The servers of this session."""
    own = tmp_path_factory.getbasetemp()
    is_worker = hasattr(pytestconfig, "workerinput")  # of pytest-xdist: then the parent folder belongs to the session
    servers = Servers(own, own.parent if is_worker else own)
    pytestconfig.stash[_SERVERS] = servers
    return servers


@pytest.fixture
def server_pair(request: pytest.FixtureRequest) -> Pair:
    """The kinds of servers that this test runs on; the embedded ones if requested by `getfixturevalue`."""
    pair: Pair = getattr(request, "param", EMBEDDED)
    return pair


@pytest.fixture
def kafka(server_pair: Pair, shared_servers: Servers) -> Broker:
    """A running broker, shared with other tests."""
    return shared_servers.kafka(server_pair[0])


@pytest.fixture
def s3(server_pair: Pair, shared_servers: Servers) -> Store:
    """A running S3 server, shared with other tests."""
    return shared_servers.s3(server_pair[1])


@pytest.fixture
def overrides(request: pytest.FixtureRequest, server_pair: Pair, fresh_name: str, tmp_path: Path) -> Overrides:
    """Settings that point to the servers, with this test's own topics, groups and bucket, which do not exist yet."""
    overrides: Overrides = {}
    if "kafka" in needs(request.node):
        kafka: Broker = request.getfixturevalue("kafka")
        overrides |= kafka_overrides(kafka.bootstrap_servers)
        names = {field.name: f"{fresh_name}.{getattr(Topics(), field.name).name}" for field in fields(Topics)}
        overrides["kafka"] |= {"topics": names}
    if "s3" in needs(request.node):
        s3: Store = request.getfixturevalue("s3")
        overrides |= storage_overrides(s3.endpoint)
        overrides["storage"] |= {"bucket": fresh_name}
    overrides["streams"] = {"app_id": f"{fresh_name}-streams", "data_dir": str(tmp_path / "streams"), "metrics_port": 0}
    overrides["generator"] = {"group_id": f"{fresh_name}-generator", "metrics_port": 0}
    return overrides


@pytest.fixture
def settings(overrides: Overrides) -> Settings:
    """The settings of this test, for code that runs in it."""
    return Settings(**overrides)


@pytest.fixture
def environment(overrides: Overrides) -> dict[str, str]:
    """The same settings as variables, for a `ChildProcess`."""
    return environment_of(overrides)


def _skip_unless_available(server: LocalServer) -> None:
    if (reason := server.why_unavailable()) is not None:
        pytest.skip(reason)
