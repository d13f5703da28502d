"""Streams and generator as child processes, and their counters."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bannerstream.devservers.ports import free_ports
from bannerstream.service.merged_log import MergedLog
from bannerstream.service.metrics_relay import scrape
from bannerstream.service.supervisor import Service, Supervisor

START_TIMEOUT_S = 60.0

LOG_FILE = "services.log"
"""The log of all services, in the demo's folder."""


class Workers:
    """Streams and generator, running."""

    def __init__(self, supervisor: Supervisor, streams_port: int, generator_port: int) -> None:
        self.supervisor = supervisor
        self._streams_port = streams_port
        self._generator_port = generator_port

    def events_folded(self) -> int:
        """Return how many records streams has folded."""
        return self._events("folded")

    def requests_held(self) -> int:
        """Return how many requests the generator holds, waiting or in progress; -1 while it does not respond."""
        return int(_metric(self._generator_port, "bannerstream_requests_held"))

    def duplicates(self) -> int:
        """Return how many records streams has recognised as duplicates."""
        return self._events("duplicate")

    def _events(self, outcome: str) -> int:
        return max(0, int(_metric(self._streams_port, "bannerstream_events", outcome=outcome)))

    def check(self) -> None:
        """Raise ChildFailed if a service has ended."""
        self.supervisor.check()


@contextmanager
def start_workers(
    environment: Mapping[str, str],
    folder: Path,
    *,
    extra_services: Sequence[Service] = (),
    start_timeout_s: float = START_TIMEOUT_S,
) -> Iterator[Workers]:
    """Run streams, the generator and `extra_services` while the block runs; `environment` points to the servers.

    Streams is ready when it has read the catalogue, the generator when it serves its metrics, which can take minutes
    with models.

    Raises:
        ChildFailed: a service ended, or was not ready in time.
    """
    streams_port, generator_port = free_ports(2)

    def service(name: str, port: int, is_ready: Callable[[], bool]) -> Service:
        own = {f"BANNERSTREAM_{name.upper()}__METRICS_PORT": str(port)}
        return Service(
            name,
            [sys.executable, "-P", "-m", f"bannerstream.{name}"],
            {**environment, "BANNERSTREAM_STREAMS__DATA_DIR": str(folder / "faust"), **own},
            is_ready=is_ready,
            ready_timeout_s=start_timeout_s,
        )

    together = [
        service("streams", streams_port, lambda: _metric(streams_port, "bannerstream_catalog_products") > 0),
        service("generator", generator_port, lambda: _metric(generator_port, "bannerstream_requests_reused") >= 0),
        *extra_services,
    ]
    with (
        (folder / LOG_FILE).open("a", encoding="utf-8") as log,
        Supervisor([together], MergedLog(log)) as supervisor,
    ):
        yield Workers(supervisor, streams_port, generator_port)


def _metric(port: int, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples with these labels; -1 without a response or without the metric."""
    values = [
        sample.value
        for family in scrape(port) or ()
        if family.name == name
        for sample in family.samples
        if not sample.name.endswith("_created") and labels.items() <= sample.labels.items()
    ]
    return sum(values) if values else -1
