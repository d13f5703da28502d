"""Which tests run, and a last word on those that did not, as a pytest plugin.

`make test` leaves out what is marked `full`: further seeds, repetitions and benchmarks of what another test checks at
every push. `make test-all` (`--full`) runs everything.
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
    """Leave out what is marked `full` where it was not requested; keep each file of models on one worker."""
    for item in items:
        # What such a file builds and loads once would else be built and loaded by every worker.
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
    """Pass the count on from a worker of pytest-xdist."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left_out"] = session.config.stash.get(_DESELECTED, 0)


class WorkerCounts:
    """The main process's side of it; every worker collects the same tests."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        left_out = getattr(node, "workeroutput", {}).get("left_out", 0)
        node.config.stash[_DESELECTED] = max(left_out, node.config.stash.get(_DESELECTED, 0))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(WorkerCounts())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List what did not run, with the reason and what helps."""
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
    """Return why a test or a file was skipped, in the words of who skipped it."""
    _, _, reason = report.longrepr
    return str(reason).removeprefix("Skipped: ")
