"""Prometheus metrics of storage."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""From a store on the same host (2 ms) to the default `storage.timeout_s` (10 s)."""


class StorageMetrics:
    """The metrics of one process's use of the bucket. `operation` is one of the few names that `store.py` uses."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.duration = Histogram(
            "bannerstream_storage_request_duration_seconds",
            "Duration of one try of a request to the store, failed tries included",
            ["operation"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.clock_offset = Gauge(
            "bannerstream_storage_clock_offset_seconds",
            "How far this machine's clock is ahead of the store's, by the dates of its answers; NaN before the first",
            registry=registry,
        )
        self.clock_offset.set(math.nan)
        self.retries = Counter(
            "bannerstream_storage_retries_total",
            "Failed tries that were retried",
            ["operation"],
            registry=registry,
        )
        self.wrong_bytes = Counter(
            "bannerstream_storage_wrong_bytes",
            "Answers whose content was not the object's: another hash, cut short, empty or undecodable; none was used",
            registry=registry,
        )
