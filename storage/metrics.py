"""Prometheus metrics of storage."""

from prometheus_client import CollectorRegistry, Counter, Histogram

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
