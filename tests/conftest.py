"""What every test can use: the plugins of `tests.support`, and a name of its own."""

import os
import uuid

import hypothesis
import pytest

# Where tests share code that asserts, failures should show as much as in a test.
pytest.register_assert_rewrite("tests.support", "tests.faults")

pytest_plugins = ["tests.support.selection", "tests.support.servers"]

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads that wait for each other at every layer of a model crawl where other tests have the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No time limit per example: on a busy machine it fails tests that are right.
hypothesis.settings.register_profile("bannerstream", deadline=None)
hypothesis.settings.load_profile("bannerstream")

REQUIRE_REAL = "BANNERSTREAM_REQUIRE_REAL"


@pytest.fixture
def fresh_name() -> str:
    """A name that no other test has: for topics, groups and buckets on servers that tests share."""
    return f"t-{uuid.uuid4().hex[:12]}"


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Turn the skip of a test that needs real things into a failure where they are required."""
    if os.environ.get(REQUIRE_REAL) != "1" or call.excinfo is None:
        return
    needs_real = item.get_closest_marker("real") or item.get_closest_marker("gpu_extra")
    if needs_real and isinstance(call.excinfo.value, pytest.skip.Exception):
        reason = f"{REQUIRE_REAL}=1, but this was to be skipped: {call.excinfo.value}"
        failure = pytest.fail.Exception(reason, pytrace=False)
        call.excinfo = pytest.ExceptionInfo.from_exc_info((type(failure), failure, call.excinfo.tb))
