"""Servers for integration tests: each pair is started once a session, and each test gets names of its own on it.

What real servers run is fetched and built before the first test: a compiler takes longer than a test may.

A test that asks for `stack`, `settings` or `environment` runs once for each pair, or for those that its mark
`pairs("embedded", …)` names: what does not look at the store need not run on every store. Where the pair is reached by
`request.getfixturevalue` only, pytest cannot know that in time, and the embedded pair serves.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bannerstream.contracts.topics import Topics
from bannerstream.devservers.errors import ServerFailed
from bannerstream.devservers.kafka_apache import ApacheKafka
from bannerstream.devservers.s3_minio import MinioS3
from bannerstream.devservers.s3_versitygw import VersityS3
from bannerstream.devservers.stack import KafkaKind, S3Kind, Stack, environment_of, why_unavailable
from bannerstream.devservers.toxiproxy import Toxiproxy
from bannerstream.settings.model import Settings

Pair = tuple[KafkaKind, S3Kind]
StartedStack = Callable[[Pair], Stack]

EMBEDDED: Pair = ("embedded", "embedded")
PAIRS = [
    pytest.param(EMBEDDED, id="embedded"),
    pytest.param(("apache", "minio"), id="apache-minio", marks=pytest.mark.real),
    pytest.param(("apache", "versitygw"), id="apache-versitygw", marks=pytest.mark.real),
]
BY_NAME = [pytest.param(("apache", "embedded"), id="apache", marks=pytest.mark.real)]
"""Only for tests that name it: those that are about Kafka alone, and need no store to be built."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch and build what real servers run, where a test asks for them and it was not done yet."""
    if session.config.option.collectonly or not any(each.get_closest_marker("real") for each in session.items):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for server in (ApacheKafka, MinioS3, VersityS3, Toxiproxy):
        if server.why_unavailable() is None:
            with suppress(ServerFailed):  # the tests that need it will say so
                server.prepare(reporter.write_line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses the servers once for each pair."""
    if "stack" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("pairs")
        chosen = PAIRS if mark is None else [each for each in [*PAIRS, *BY_NAME] if each.id in mark.args]
        metafunc.parametrize("stack", chosen, indirect=True)


@pytest.fixture(scope="session")
def started_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedStack]:
    """Start a pair of servers at its first use; stop all at the end of the session."""
    running: dict[Pair, Stack] = {}
    with ExitStack() as until_the_end:

        def start(pair: Pair) -> Stack:
            if pair not in running:
                kafka, s3 = pair
                stack = Stack(kafka, s3, data_dir=tmp_path_factory.mktemp(f"{kafka}-{s3}"))
                running[pair] = until_the_end.enter_context(stack)
            return running[pair]

        yield start


@pytest.fixture
def stack(request: pytest.FixtureRequest, started_stack: StartedStack) -> Stack:
    """One running pair of servers, shared with other tests; skipped with the reason where it cannot run."""
    pair: Pair = getattr(request, "param", EMBEDDED)
    if (reason := why_unavailable(*pair)) is not None:
        pytest.skip(reason)
    return started_stack(pair)


@pytest.fixture
def overrides(stack: Stack, fresh_name: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Settings that point to the pair, with topics, groups and a bucket that only this test uses (none made yet)."""
    overrides: dict[str, dict[str, Any]] = stack.settings_overrides()
    names = {each.name: f"{fresh_name}.{getattr(Topics(), each.name).name}" for each in fields(Topics)}
    overrides["kafka"] |= {"topics": names}
    overrides["storage"] |= {"bucket": fresh_name}
    overrides["streams"] = {"app_id": f"{fresh_name}-streams", "data_dir": str(tmp_path / "streams"), "metrics_port": 0}
    overrides["generator"] = {"group_id": f"{fresh_name}-generator", "metrics_port": 0}
    return overrides


@pytest.fixture
def settings(overrides: dict[str, dict[str, Any]]) -> Settings:
    """The settings of this test, for code that runs in it."""
    return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates the groups


@pytest.fixture
def environment(overrides: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The same settings as variables, for a `ChildProcess`."""
    return environment_of(overrides)
