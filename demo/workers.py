"""The two services as child processes, and what the streams worker counts."""

import http.client
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from bannerstream.demo.errors import WorkerDied
from bannerstream.devservers.child_process import ChildProcess
from bannerstream.devservers.ports import LOOPBACK, free_ports

START_TIMEOUT_S = 60.0


class Workers:
    """Streams and generator, running."""

    def __init__(self, streams: ChildProcess, generator: ChildProcess, streams_port: int, generator_port: int) -> None:
        self._processes = (streams, generator)
        self._ports = (streams_port, generator_port)

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when streams has its catalogue and the generator serves its metrics; a model takes long to load."""
        streams, generator = self._processes
        streams.wait_until_ready(lambda: _metric(self._ports[0], "bannerstream_catalog_products") > 0, timeout_s)
        generator.wait_until_ready(lambda: _metric(self._ports[1], "bannerstream_requests_reused") >= 0, timeout_s)

    def events_folded(self) -> int:
        """Return how many records streams has folded."""
        return self._events("folded")

    def requests_held(self) -> int:
        """Return how many requests the generator holds, waiting or worked on; -1 while it does not answer."""
        return int(_metric(self._ports[1], "bannerstream_requests_held"))

    def duplicates(self) -> int:
        """Return how many records streams has recognised as sent again."""
        return self._events("duplicate")

    def _events(self, outcome: str) -> int:
        return max(0, int(_metric(self._ports[0], "bannerstream_events", outcome=outcome)))

    def check(self) -> None:
        """Raise WorkerDied if one of them has ended."""
        for process in self._processes:
            check_running(process)


def check_running(process: ChildProcess) -> None:
    """Raise WorkerDied if a process has ended."""
    if (status := process.poll()) is not None:
        raise WorkerDied(f"{process.name} ended with status {status}; its log ends:\n{process.log_tail()}")


@contextmanager
def start_workers(environment: Mapping[str, str], folder: Path) -> Iterator[Workers]:
    """Start both services against the servers that `environment` names; stop them, gracefully, at the end."""
    ports = free_ports(2)
    with (
        _service("streams", {**environment, "BANNERSTREAM_STREAMS__METRICS_PORT": str(ports[0])}, folder) as streams,
        _service(
            "generator", {**environment, "BANNERSTREAM_GENERATOR__METRICS_PORT": str(ports[1])}, folder
        ) as generator,
    ):
        yield Workers(streams, generator, *ports)


def _service(name: str, environment: Mapping[str, str], folder: Path) -> ChildProcess:
    own = {"BANNERSTREAM_STREAMS__DATA_DIR": str(folder / "faust")}
    return ChildProcess(
        [sys.executable, "-P", "-m", f"bannerstream.{name}"],
        name=name,
        log_file=folder / f"{name}.log",
        environment={**environment, **own},
    )


def _metric(port: int, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples with these labels; -1 while the service does not answer or lacks it."""
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=2) as answer:
            page = answer.read().decode()
    except (OSError, http.client.HTTPException):
        return -1
    values = [
        sample.value
        for family in text_string_to_metric_families(page)
        if family.name == name
        for sample in family.samples
        if not sample.name.endswith("_created") and labels.items() <= sample.labels.items()
    ]
    return sum(values) if values else -1
