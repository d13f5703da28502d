"""Metrics of the generator, declared once."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from generator.pipeline import MadeBanner

_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""From the writing of words (under a millisecond) to a diffusion batch on a CPU (tens of seconds)."""
_LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800)
"""From a click to its banner: seconds are the aim, half an hour is a backlog after an outage."""


class GeneratorMetrics:
    """Counters and histograms of one generator process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.banners = Counter("bannerstream_banners_total", "Banners made", ["engine"], registry=registry)
        self.reused = Counter(
            "bannerstream_requests_reused_total", "Requests whose banner was there already", registry=registry
        )
        self.stage = Histogram(
            "bannerstream_stage_duration_seconds",
            "Time per banner and stage",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self.event_to_ready = Histogram(
            "bannerstream_event_to_ready_seconds",
            "From the arrival of the event to the acknowledged ready event",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.gate_failures = Counter(
            "bannerstream_gate_failures_total", "Banners that a gate turned down", ["gate"], registry=registry
        )
        self.fallbacks = Counter(
            "bannerstream_fallbacks_total", "Another stood in for a port", ["port", "reason"], registry=registry
        )
        self.batch_size = Histogram(
            "bannerstream_batch_size",
            "Requests taken together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.stored_bytes = Counter(
            "bannerstream_stored_bytes_total", "Bytes of banner files", ["media_type"], registry=registry
        )

    def made(self, banner: MadeBanner) -> None:
        """Count a banner that the pipeline returned."""
        if banner.reused:
            self.reused.inc()
            return
        manifest = banner.manifest
        self.banners.labels(manifest.provenance.engine).inc()
        for stage, milliseconds in manifest.stage_ms.items():
            self.stage.labels(stage).observe(milliseconds / 1000)
        for gate in banner.failed_gates:
            self.gate_failures.labels(gate).inc()
        for fallback in banner.fallbacks:
            self.fallbacks.labels(fallback.port, fallback.reason).inc()
        for rendition in manifest.renditions:
            self.stored_bytes.labels(rendition.media_type).inc(rendition.bytes)

    def ready(self, event_appended_at: int, ready_at: int) -> None:
        """Count the time from an event to its banner; both in epoch milliseconds."""
        self.event_to_ready.observe(max(0, ready_at - event_appended_at) / 1000)
