"""Runs the purger as a process."""

import asyncio

from prometheus_client import CollectorRegistry

from bannerstream.purger.factory import create_purger
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.worker import PurgeWorker
from bannerstream.service.metrics_server import served_metrics
from bannerstream.service.signals import asyncio_stop_event
from bannerstream.settings import Settings
from bannerstream.settings.production import refuse_in_production


def run(settings: Settings) -> None:
    """Purge until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: `cdn.kind` is `none`, the metrics port is in use, or production refuses a setting.
    """
    refuse_in_production(settings, "purger")
    registry = CollectorRegistry()
    purger = create_purger(settings.cdn)
    cdn = settings.cdn
    with served_metrics(cdn.metrics_port, registry, setting="cdn.metrics_port", host=cdn.metrics_host):
        asyncio.run(serve(PurgeWorker(settings, purger, PurgerMetrics(registry))))


async def serve(worker: PurgeWorker) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    await worker.run(asyncio_stop_event())
