"""One metrics page for several processes: their Prometheus series with a label `worker`."""

import http.client
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_S = 2.0
"""Prometheus waits 10 s for a page; a child that hangs must not delay the others' metrics beyond that."""


def scrape(port: int) -> list[Metric] | None:
    """Return the metrics of the process at this port on loopback, or None if it serves no readable metrics page."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_S) as response:
            return list(text_string_to_metric_families(response.read().decode()))
    except (OSError, http.client.HTTPException, ValueError):
        return None


class MetricsRelay:
    """A collector for a CollectorRegistry: each collection scrapes the `ports`, keyed by worker."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    def describe(self) -> Iterable[Metric]:
        """Return no names: the workers' metrics are known only when they are scraped."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the metric families of all workers that respond, and for every worker whether it did."""
        up = GaugeMetricFamily(
            "bannerstream_worker_up", "1 where the worker's metrics answer, else 0", labels=["worker"]
        )
        families: dict[str, Metric] = {up.name: up}
        with ThreadPoolExecutor(max_workers=max(1, len(self._ports)), thread_name_prefix="scrape") as pool:
            pages = list(pool.map(scrape, self._ports.values()))
        for worker, page in zip(self._ports, pages, strict=True):
            up.add_metric([worker], page is not None)
            for family in page or ():
                _merge(family, worker, families)
        return families.values()


def _merge(family: Metric, worker: str, families: dict[str, Metric]) -> None:
    merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
    if merged.type != family.type:  # two types under one name would make the whole page unreadable
        return
    for sample in family.samples:
        # A worker that supervises others has already labelled their series.
        own = sample.labels.get("worker")
        name = worker if own is None else f"{worker}/{own}"
        merged.samples.append(sample._replace(labels={**sample.labels, "worker": name}))
