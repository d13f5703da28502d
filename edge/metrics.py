"""Every metric of an edge node."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From an answer out of memory to one that waited for Kafka as long as `edge.ack_timeout_s`."""


class EdgeMetrics:
    """Declared once, in base units, without a label whose values visitors could grow."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "bannerstream_edge_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.duration = Histogram(
            "bannerstream_edge_request_duration_seconds",
            "From the request's head to the answer's end, live streams excepted",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.refused = Counter("bannerstream_edge_refused", "Requests refused, by why", ["reason"], registry=registry)
        self.banners = Counter(
            "bannerstream_edge_banners",
            "Banners told to visitors, by what they were: own, cohort (its default) or shop (the built-in one)",
            ["kind"],
            registry=registry,
        )
        self.events = Counter("bannerstream_edge_events", "Events taken in", ["type"], registry=registry)
        self.feedback = Counter("bannerstream_edge_feedback", "Feedback taken in", ["kind"], registry=registry)
        self.waiting = Gauge("bannerstream_edge_waiting_records", "Records on their way to Kafka", registry=registry)
        self.ack = Histogram(
            "bannerstream_edge_ack_duration_seconds",
            "One round of writing to Kafka until acknowledged",
            buckets=_SECONDS,
            registry=registry,
        )
        self.streams = Gauge("bannerstream_edge_streams", "Open live streams", registry=registry)
        self.stream_messages = Counter(
            "bannerstream_edge_stream_messages", "Messages to live streams", ["event"], registry=registry
        )
        self.streams_closed = Counter(
            "bannerstream_edge_streams_closed", "Streams ended from here", ["why"], registry=registry
        )
        self.visitors = Gauge("bannerstream_edge_visitors", "Visitors in the view", registry=registry)
        self.ready_banners = Gauge("bannerstream_edge_ready_banners", "Banners that can be shown", registry=registry)
        self.skipped = Counter(
            "bannerstream_edge_records_skipped", "Records of the view's topics that cannot be used", registry=registry
        )
        self.view_lag = Histogram(
            "bannerstream_edge_view_lag_seconds",
            "From a record's timestamp in Kafka until it was in the view, once caught up",
            ["what"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.view_restarts = Counter(
            "bannerstream_edge_view_restarts", "Times that following the topics failed", registry=registry
        )
        self.caught_up = Gauge(
            "bannerstream_edge_caught_up", "1 once the view has caught up, unless a task has ended", registry=registry
        )
        self.pictures = Counter(
            "bannerstream_edge_pictures", "Pictures asked for, by where they were found", ["found"], registry=registry
        )
        self.click_to_visible = Histogram(
            "bannerstream_edge_click_to_visible_seconds",
            "From a click to the new banner on the screen, as pages report it",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
            registry=registry,
        )
