"""The supervisor's own metrics; `bannerstream_worker_up` is part of the relayed series (service.metrics_relay)."""

from prometheus_client import CollectorRegistry, Counter


class SupervisorMetrics:
    """Counters of one supervisor."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.restarts = Counter(
            "bannerstream_worker_restarts", "Starts after the first, by worker", ["worker"], registry=registry
        )
