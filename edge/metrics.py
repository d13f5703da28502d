"""Metrics of an edge node."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a response served from memory to one that waited for Kafka for `edge.ack_timeout_s`."""


class EdgeMetrics:
    """Declared once, in base units, without labels whose values clients could multiply."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "bannerstream_edge_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.duration = Histogram(
            "bannerstream_edge_request_duration_seconds",
            "Time from the request's head to the end of the response, live streams excluded",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.refused = Counter(
            "bannerstream_edge_refused", "Requests rejected, by reason", ["reason"], registry=registry
        )
        self.banners = Counter(
            "bannerstream_edge_banners",
            "Banners served, by source: own, cohort (the cohort's default) or shop (the built-in one)",
            ["kind"],
            registry=registry,
        )
        self.events = Counter("bannerstream_edge_events", "Events accepted", ["type"], registry=registry)
        self.feedback = Counter("bannerstream_edge_feedback", "Feedback accepted", ["kind"], registry=registry)
        self.waiting = Gauge(
            "bannerstream_edge_waiting_records", "Records waiting for Kafka's acknowledgement", registry=registry
        )
        self.ack = Histogram(
            "bannerstream_edge_ack_duration_seconds",
            "Time to write one round of records to Kafka, acknowledgement included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.clock_offset = Gauge(
            "bannerstream_edge_clock_offset_seconds",
            "How far this node's clock is ahead of the brokers'; corrected. NaN where topics keep clients' times",
            registry=registry,
        )
        self.streams = Gauge("bannerstream_edge_streams", "Open live streams", registry=registry)
        self.stream_messages = Counter(
            "bannerstream_edge_stream_messages", "Messages sent to live streams", ["event"], registry=registry
        )
        self.streams_closed = Counter(
            "bannerstream_edge_streams_closed", "Live streams closed by the node, by reason", ["why"], registry=registry
        )
        self.visitors = Gauge("bannerstream_edge_visitors", "Visitors in the node's table", registry=registry)
        self.ready_banners = Gauge("bannerstream_edge_ready_banners", "Banners that can be shown", registry=registry)
        self.skipped = Counter(
            "bannerstream_edge_records_skipped",
            "Assignment and ready records that were skipped because they are invalid",
            registry=registry,
        )
        self.view_lag = Histogram(
            "bannerstream_edge_view_lag_seconds",
            "Time from a record's Kafka timestamp until the node has applied it, once caught up",
            ["what"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.view_restarts = Counter(
            "bannerstream_edge_view_restarts", "Restarts of the topic follower after a failure", registry=registry
        )
        self.caught_up = Gauge(
            "bannerstream_edge_caught_up",
            "1 once the node is ready: topics read to the end, bucket answered, all tasks running; else 0",
            registry=registry,
        )
        self.bucket_answers = Gauge(
            "bannerstream_edge_bucket_answers",
            "1 if the bucket answered the last check, or the node reads none (edge.cdn_base_url); else 0",
            registry=registry,
        )
        self.pictures = Counter(
            "bannerstream_edge_pictures", "Pictures requested, by where they were found", ["found"], registry=registry
        )
        self.wrong_bytes = Counter(
            "bannerstream_edge_wrong_bytes",
            "Objects of the bucket whose bytes are not what their name says; none was served",
            registry=registry,
        )
        self.click_to_visible = Histogram(
            "bannerstream_edge_click_to_visible_seconds",
            "Time from a click to the new banner on the screen, as pages report it",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
            registry=registry,
        )
