"""Every metric of the streams worker."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""From a batch folded immediately to one that waited for a rebalance."""


class OutboxMetrics:
    """Counters of published records, for the streams worker and the experiments worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.assignments = Counter("bannerstream_assignments", "Assignments published", registry=registry)
        self.requests = Counter("bannerstream_requests", "Banner requests published", registry=registry)
        self.dead_letters = Counter("bannerstream_dead_letters", "Dead letters published", ["code"], registry=registry)


class StreamsMetrics:
    """Declared once, in base units, without labels whose number of values depends on visitors."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outbox = OutboxMetrics(registry)
        self.events = Counter(
            "bannerstream_events", "Input records processed", ["source", "outcome"], registry=registry
        )
        self.repartitioned = Counter(
            "bannerstream_repartitioned",
            "Input records routed to the repartitioned topic",
            ["source", "outcome"],
            registry=registry,
        )
        self.fold = Histogram(
            "bannerstream_fold_duration_seconds",
            "Time to fold and decide one batch",
            buckets=(0.0005, 0.001, 0.0025, *_LATENCY_S[:-4]),
            registry=registry,
        )
        self.flush = Histogram(
            "bannerstream_flush_duration_seconds",
            "Time of one checkpoint until acknowledged: states to the changelog, then decisions to their topics",
            ["what"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.states_written = Counter(
            "bannerstream_states_written", "States written to the changelog", registry=registry
        )
        self.forgotten = Counter(
            "bannerstream_forgotten",
            "Visitors erased on request or because they were idle",
            ["reason"],
            registry=registry,
        )
        self.rechecked = Counter(
            "bannerstream_decisions_rechecked",
            "Without an event: decisions changed because the product is refused, and banners requested again that were "
            "not ready",
            ["reason"],
            registry=registry,
        )
        self.users = Gauge("bannerstream_users", "Visitors in this worker's partitions", registry=registry)
        self.catalog_products = Gauge(
            "bannerstream_catalog_products", "Products in the catalogue view", registry=registry
        )
        self.letters_dropped = Counter(
            "bannerstream_dead_letters_dropped",
            "Dead letters dropped beyond streams.dead_letters_per_visitor",
            ["code"],
            registry=registry,
        )
        self.ahead = Histogram(
            "bannerstream_event_ahead_seconds",
            "How much later than its arrival an event says it was: the largest of each batch that has one",
            ["source"],
            buckets=(0.1, 1.0, 5.0, 15.0, 60.0, 300.0),
            registry=registry,
        )
        self.refused_products = Gauge(
            "bannerstream_refused_products",
            "Products of the catalogue that are not on offer, because generators refused them",
            registry=registry,
        )
        self.event_lag = Histogram(
            "bannerstream_event_lag_seconds",
            "Time from the Kafka timestamp of a batch's first record until the batch was folded",
            buckets=_LATENCY_S,
            registry=registry,
        )
