"""Every metric of the streams worker."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""From a batch that was folded at once to one that waited out a rebalance."""


class OutboxMetrics:
    """What is published, by the streams worker and by the one that counts feedback."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.assignments = Counter("bannerstream_assignments", "Assignments published", registry=registry)
        self.requests = Counter("bannerstream_requests", "Banner requests published", registry=registry)
        self.dead_letters = Counter("bannerstream_dead_letters", "Dead letters published", ["code"], registry=registry)


class StreamsMetrics:
    """Declared once, in base units, without a label whose values visitors could grow."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outbox = OutboxMetrics(registry)
        self.events = Counter(
            "bannerstream_events", "Records by what became of them", ["source", "outcome"], registry=registry
        )
        self.repartitioned = Counter(
            "bannerstream_repartitioned",
            "Records on their way to the internal topic, by what became of them",
            ["source", "outcome"],
            registry=registry,
        )
        self.fold = Histogram(
            "bannerstream_fold_duration_seconds",
            "Folding and deciding one batch",
            buckets=(0.0005, 0.001, 0.0025, *_LATENCY_S[:-4]),
            registry=registry,
        )
        self.flush = Histogram(
            "bannerstream_flush_duration_seconds",
            "One round of writing until acknowledged: states to the changelog, then decisions to their topics",
            ["what"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.states_written = Counter(
            "bannerstream_states_written", "States written to the changelog", registry=registry
        )
        self.forgotten = Counter(
            "bannerstream_forgotten",
            "Visitors forgotten because they asked for it or were idle",
            ["reason"],
            registry=registry,
        )
        self.users = Gauge("bannerstream_users", "Visitors in this worker's partitions", registry=registry)
        self.catalog_products = Gauge(
            "bannerstream_catalog_products", "Products in the catalogue view", registry=registry
        )
        self.event_lag = Histogram(
            "bannerstream_event_lag_seconds",
            "From the timestamp in Kafka of a batch's first record until the batch was folded",
            buckets=_LATENCY_S,
            registry=registry,
        )
