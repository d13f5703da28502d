"""A pytest plugin that selects the tests to run, and lists at the end those that did not run.

`make test` leaves out the tests marked `full`: more seeds, repetitions, and benchmarks of code that other tests check
at every push. `make test-all` (`--full`) runs everything.
"""

from collections import Counter
from typing import Any

import pytest

FULL = "--full"
_DESELECTED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(FULL, action="store_true", help="run the tests that are marked `full`, too")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests marked `full` unless they were requested; keep the tests of a file that loads models together."""
    for item in items:
        # Otherwise every worker would build and load the models that such a file builds and loads once.
        if item.get_closest_marker("gpu_extra") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    if config.getoption(FULL):
        return
    full = [item for item in items if item.get_closest_marker("full")]
    if full:
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=full)
    config.stash[_DESELECTED] = len(full)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the count from a pytest-xdist worker to the main process."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left_out"] = session.config.stash.get(_DESELECTED, 0)


class WorkerCounts:
    """Receives the count in the main process; every worker collects the same tests."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        left_out = getattr(node, "workeroutput", {}).get("left_out", 0)
        node.config.stash[_DESELECTED] = max(left_out, node.config.stash.get(_DESELECTED, 0))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(WorkerCounts())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the tests that did not run, with the reason and how to run them."""
    reasons = Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", ()))
    left_out = config.stash.get(_DESELECTED, 0)
    if not reasons and not left_out:
        return
    terminalreporter.section("not run")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5} skipped: {reason}")
    if left_out:
        terminalreporter.write_line(f"{left_out:5} left out: more seeds, repetitions, benchmarks: make test-all")


def reason_of(report: Any) -> str:
    """Return the reason that was given for skipping a test or a file."""
    _, _, reason = report.longrepr
    return str(reason).removeprefix("Skipped: ")
