"""The embedded broker, a real server in a child process, and topics of its own for each test."""

import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from broker.publishing import Publisher
from broker.topics import create_topics
from contracts.topics import Topics
from settings.model import KafkaSettings


@pytest.fixture(scope="session")
def bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the embedded broker once for all tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    binary = Path(str(files("noida_db") / "noida-db"))
    binary.chmod(0o755)
    options = [
        "start",
        "--data-dir",
        str(tmp_path_factory.mktemp("kafka")),
        "--only",
        "kafka",
        "--kafka-port",
        str(port),
    ]
    server = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the embedded broker ended at once"
                assert time.monotonic() < deadline, "the embedded broker does not listen"
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture
def kafka(bootstrap_servers: str) -> KafkaSettings:
    """Return settings whose topics no other test knows; none exists yet."""
    prefix = uuid.uuid4().hex[:8]
    names = {role: f"{prefix}.{role}" for role in Topics.__dataclass_fields__}
    return KafkaSettings(bootstrap_servers=bootstrap_servers, topics=names, partitions=3)


@pytest.fixture
async def topics(kafka: KafkaSettings) -> Topics:
    """Create the topics and return them."""
    await create_topics(kafka)
    return kafka.topic_table()


@pytest.fixture
async def publisher(kafka: KafkaSettings, topics: Topics) -> AsyncIterator[Publisher]:
    """Return a connected publisher to topics that exist."""
    async with Publisher(kafka) as publisher:
        yield publisher
