"""A pool of workers over small processes that stand for them: names, ports, one page, restarts, the end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from bannerstream.cli.main import app
from bannerstream.devservers.ports import free_port
from bannerstream.service.metrics_relay import scrape
from bannerstream.settings import Settings
from bannerstream.streams import main, worker_pool
from tests.support.waiting import wait_until

STANDS_FOR_A_WORKER = """
import os, signal
from prometheus_client import CollectorRegistry, Counter, start_http_server
registry = CollectorRegistry()
Counter("bannerstream_events", "Events", registry=registry).inc(3)
start_http_server(int(os.environ["BANNERSTREAM_STREAMS__METRICS_PORT"]), registry=registry)
print("folding", flush=True)
signal.pause()
"""

POOL = f"""
import dataclasses, sys
from bannerstream.settings import Settings
from bannerstream.streams import worker_pool
real = worker_pool.worker
worker_pool.worker = lambda *arguments: dataclasses.replace(
    real(*arguments), command=[sys.executable, "-c", {STANDS_FOR_A_WORKER!r}])
worker_pool.run_workers(Settings(streams={{"metrics_port": int(sys.argv[1])}}), 2)
"""


class Pool:
    """The pool as a process, and what it logged."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self.log = ""

    def read_until(self, pattern: str, times: int = 1) -> None:
        """Read lines until so many fit the pattern."""
        assert self.process.stderr is not None
        while len(re.findall(pattern, self.log)) < times:
            line = self.process.stderr.readline()
            assert line, self.log
            self.log += line

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"{name}: started, pid (\d+)", self.log)]

    def samples(self, name: str) -> dict[str, float]:
        """Return a metric's value for each worker."""
        return {
            sample.labels["worker"]: sample.value
            for family in scrape(self.port) or ()
            for sample in family.samples
            if sample.name == name
        }


@pytest.fixture
def pool() -> Iterator[Pool]:
    port = free_port()
    command = [sys.executable, "-c", POOL, str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            running = Pool(process, port)
            running.read_until(r"streams-\d: ready", 2)
            yield running
        finally:
            process.kill()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_two_workers_have_one_log_and_one_page_and_end_with_the_pool(pool: Pool) -> None:
    pool.read_until(r"(?m)^streams-\d +\| folding$", 2)
    assert pool.samples("bannerstream_events_total") == {"streams-1": 3, "streams-2": 3}
    assert pool.samples("bannerstream_worker_up") == {"streams-1": 1, "streams-2": 1}
    children = pool.pids("streams-1") + pool.pids("streams-2")
    pool.process.send_signal(signal.SIGTERM)
    pool.read_until(r"streams-\d: stopped, status -15", 2)
    assert pool.process.wait(30) == 0
    assert all(is_gone(child) for child in children)


def test_a_worker_that_dies_starts_again_under_its_name_and_the_other_goes_on(pool: Pool) -> None:
    os.kill(pool.pids("streams-2")[0], signal.SIGKILL)
    pool.read_until(r"streams-2: ready", 2)
    assert len(pool.pids("streams-1")) == 1
    assert pool.samples("bannerstream_worker_restarts_total") == {"streams-1": 0, "streams-2": 1}
    assert pool.samples("bannerstream_events_total") == {"streams-1": 3, "streams-2": 3}


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_pool_that_is_killed_leaves_no_worker_behind(pool: Pool) -> None:
    children = pool.pids("streams-1") + pool.pids("streams-2")
    pool.process.kill()
    wait_until(lambda: all(is_gone(child) for child in children), "the workers are gone")


def test_a_worker_has_time_for_its_own_stop_before_the_pool_kills_it_and_an_orchestrator_the_pool() -> None:
    service = worker_pool.worker(Settings(), 1, 0)
    assert main.STOP_TIMEOUT_S < service.stop_timeout_s < 10


def test_a_worker_takes_the_settings_of_the_pool_and_a_metrics_port_of_its_own() -> None:
    service = worker_pool.worker(Settings(log_level="debug"), 3, 40_000)
    assert (service.name, service.metrics_port) == ("streams-3", 40_000)
    assert service.environment == {
        "BANNERSTREAM_LOG_LEVEL": "debug",
        "BANNERSTREAM_STREAMS__METRICS_HOST": "127.0.0.1",
        "BANNERSTREAM_STREAMS__METRICS_PORT": "40000",
    }


def test_without_metrics_the_workers_serve_none() -> None:
    service = worker_pool.worker(Settings(), 1, 0)
    assert (service.metrics_port, service.environment["BANNERSTREAM_STREAMS__METRICS_PORT"]) == (None, "0")


@pytest.mark.parametrize(("options", "count"), [(["--workers", "2"], 2), (["-w", "4"], 4)], ids=str)
def test_the_command_runs_so_many_workers(monkeypatch: pytest.MonkeyPatch, options: list[str], count: int) -> None:
    started: list[int] = []
    monkeypatch.setattr(worker_pool, "run_workers", lambda _, number: started.append(number))
    assert CliRunner().invoke(app, ["run", "streams", *options]).exit_code == 0
    assert started == [count]


def test_a_pool_of_no_worker_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["run", "streams", "--workers", "0"]).exit_code == 2
