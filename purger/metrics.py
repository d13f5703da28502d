"""Metrics of the purger."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.purger.errors import PurgeRefused

_LAG_S = (0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800)
"""From a purge delayed by its window alone to one delayed by an outage."""

_REFUSALS = (PurgeRefused.code, MalformedRecord.code)


class PurgerMetrics:
    """Counters and histograms of one purger process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.purged = Counter(
            "bannerstream_cdn_purged", "Tags or paths that the CDN acknowledged", ["cdn"], registry=registry
        )
        self.calls = Counter(
            "bannerstream_cdn_calls", "Calls to the CDN, by outcome", ["cdn", "outcome"], registry=registry
        )
        self.call = Histogram(
            "bannerstream_cdn_call_duration_seconds",
            "Duration of one call to the CDN",
            ["cdn"],
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.lag = Histogram(
            "bannerstream_cdn_purge_lag_seconds",
            "Time from the record that made a pointer stale to the CDN's acknowledgement",
            buckets=_LAG_S,
            registry=registry,
        )
        self.waiting_since = Gauge(
            "bannerstream_cdn_waiting_since_seconds",
            "Epoch time of the oldest change that the CDN has not acknowledged; 0 if there is none",
            registry=registry,
        )
        self.behind = Gauge("bannerstream_cdn_records_behind", "Records not read yet", registry=registry)
        self.refused = Counter(
            "bannerstream_cdn_refused", "Records that became dead letters", ["code"], registry=registry
        )
        for code in _REFUSALS:  # exported from the start, otherwise alerts miss the first increase
            self.refused.labels(code)
        self.visitors = Gauge("bannerstream_cdn_visitors", "Visitors in the purger's table", registry=registry)
        self.active = Gauge("bannerstream_cdn_active", "1 if this worker purges, 0 if it stands by", registry=registry)
