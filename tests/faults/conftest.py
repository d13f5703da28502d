"""Servers for fault tests: the fixtures of the integration tests, on real servers only.

The embedded broker never gives a killed member's partitions to another (see `local.kafka_embedded`): a generator that
is started after a SIGKILL gets no requests there until the broker restarts. Streams and generator cannot mend that.
"""

import pytest

from tests.integration.conftest import (
    PAIRS,
    environment,
    overrides,
    pytest_collection_finish,
    settings,
    stack,
    started_stack,
)

__all__ = ["environment", "overrides", "pytest_collection_finish", "settings", "stack", "started_stack"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses the servers once for each pair of real ones."""
    if "stack" in metafunc.fixturenames:
        metafunc.parametrize("stack", PAIRS[1:], indirect=True)
