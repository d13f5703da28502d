"""Metrics of the generator, declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bannerstream.generator.pipeline.pipeline import MadeBanner

_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""From writing the words (under a millisecond) to a diffusion batch on a CPU (tens of seconds)."""
_LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800)
"""From a click to its banner: seconds are the target, half an hour is a backlog after an outage."""
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class GeneratorMetrics:
    """Metrics of one generator process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.banners = Counter("bannerstream_banners_total", "Banners made", ["engine"], registry=registry)
        self.reused = Counter(
            "bannerstream_requests_reused_total", "Requests whose banner was already stored", registry=registry
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
            "Time from the arrival of the event to the acknowledged ready event",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.gate_failures = Counter(
            "bannerstream_gate_failures_total", "Banners that a gate rejected", ["gate"], registry=registry
        )
        self.fallbacks = Counter(
            "bannerstream_fallbacks_total",
            "Banners in which a fallback replaced a port",
            ["port", "reason"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "bannerstream_generator_dead_letters",
            "Requests that led to no banner, each now a dead letter",
            ["code"],
            registry=registry,
        )
        self.event_to_preview = Histogram(
            "bannerstream_event_to_preview_seconds",
            "Time from the arrival of the event to the acknowledged ready event of the studio's preview",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "bannerstream_batch_size", "Requests per batch", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.images_together = Histogram(
            "bannerstream_images_together",
            "Pictures painted in one step of the model",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self.out_of_memory = Counter(
            "bannerstream_model_out_of_memory_total", "Model steps that ran out of memory", registry=registry
        )
        self.hangs = Counter(
            "bannerstream_model_hangs_total", "Model steps that timed out", ["model"], registry=registry
        )
        self.requests_held = Gauge(
            "bannerstream_requests_held", "Requests in memory, waiting or in progress", registry=registry
        )
        self.paused = Gauge(
            "bannerstream_requests_paused",
            "1 while the full queue stops the worker from taking requests",
            registry=registry,
        )
        self.accepting = Gauge(
            "bannerstream_generator_ready", "1 once models are warm and the worker takes requests", registry=registry
        )
        self.stored_bytes = Counter(
            "bannerstream_stored_bytes_total", "Bytes of banner files stored", ["media_type"], registry=registry
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

    def ready(self, banner: MadeBanner, ready_at_ms: int) -> None:
        """Observe the time from an event to its banner, announced at `ready_at_ms` (epoch)."""
        latency = self.event_to_preview if banner.manifest.provisional else self.event_to_ready
        latency.observe(max(0, ready_at_ms - banner.request.event_appended_at) / 1000)
