"""The generator as a process."""

import asyncio

import structlog
from prometheus_client import CollectorRegistry

from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.generator.assembly import build_pipeline
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.worker.worker import GeneratorWorker
from bannerstream.service.metrics_server import served_metrics
from bannerstream.service.signals import asyncio_stop_event
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore, StorageMetrics

_log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Make banners until SIGTERM or SIGINT; then finish, publish and commit the batches in flight and leave the group.

    Raises:
        ConfigurationError: the bucket is missing or denies access, a model does not load, or the metrics port is taken.
        PaintingFailed: the model is loaded and cannot paint.
        ModelLost: a model hangs or fails for good.
    """
    registry = CollectorRegistry()
    store = S3BannerStore(settings.storage, metrics=StorageMetrics(registry))
    try:
        _check(store)
        metrics = GeneratorMetrics(registry)
        ours = settings.generator
        with served_metrics(ours.metrics_port, registry, setting="generator.metrics_port", host=ours.metrics_host):
            pipeline = build_pipeline(settings.generator, store, metrics)
            asyncio.run(serve(GeneratorWorker(settings, pipeline, metrics)))
    finally:
        store.close()


def _check(store: S3BannerStore) -> None:
    """Fail the start where waiting would not help; the worker waits later for a store that does not answer."""
    try:
        store.check()
    except ServiceUnavailable as error:
        _log.warning("store_away", error=str(error))


async def serve(worker: GeneratorWorker) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    await worker.run(asyncio_stop_event())
