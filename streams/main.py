"""The streams worker as a process."""

import asyncio
import gc
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from bannerstream.broker.refusals import translated
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.service.metrics_server import served_metrics
from bannerstream.service.signals import asyncio_stop_event
from bannerstream.settings import KafkaSettings, Settings
from bannerstream.streams.app import create_app
from bannerstream.streams.batching import BatchApp
from bannerstream.streams.worker_identity import WorkerIdentity, claim_identity

Creates = Callable[[Settings, WorkerIdentity, CollectorRegistry], BatchApp]
_log = structlog.stdlib.get_logger(__name__)

_REFUSED = 3
"""Exit code of a wrong setting, as `bannerstream` has it."""

STOP_TIMEOUT_S = 8.0
"""How long a stop waits for work in flight. A clean stop takes 0.3 s; one during a rebalance may never end.
Supervisors wait 10 s or more before killing a process. Discarded work is folded again."""

GC_THRESHOLDS = (200_000, 50, 1000)
"""Records and states are values without cycles, created by the hundred thousand: at Python's thresholds the collector
scans them many times a second, which costs much of the throughput (`python -m bench core`)."""


def run(settings: Settings) -> None:
    """Fold events until SIGTERM or SIGINT; then finish and commit the work in flight and leave the group.

    Raises:
        BannerstreamError: the topics, the brokers or a setting prevent the start.
        Exception: the worker crashed; everything uncommitted is folded again after a restart.
    """
    streams = settings.streams
    serve(settings, create_app, (streams.metrics_host, streams.metrics_port), setting="streams.metrics_port")


def serve(settings: Settings, create: Creates, metrics: tuple[str, int], *, setting: str) -> None:
    """Run the app that `create` returns, as `run` does, with metrics at this host and port; errors name `setting`.

    Raises:
        BannerstreamError, Exception: see `run`.
    """
    _quieten_faust()
    asyncio.run(_serve(settings, create, metrics, setting))


async def _serve(settings: Settings, create: Creates, metrics: tuple[str, int], setting: str) -> None:
    stop = asyncio_stop_event()
    registry = CollectorRegistry()
    with (
        claim_identity(settings.streams.data_dir) as identity,
        served_metrics(metrics[1], registry, setting=setting, host=metrics[0]),
    ):
        app = create(settings, identity, registry)
        gc.set_threshold(*GC_THRESHOLDS)
        await _run_until(app, stop, settings.kafka)


async def _run_until(app: BatchApp, stop: asyncio.Event, kafka: KafkaSettings) -> None:
    starting = asyncio.create_task(app.start())
    stopping = asyncio.create_task(stop.wait())
    ending = asyncio.create_task(app.ended.wait())
    try:
        await asyncio.wait({starting, stopping, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            _result_of(starting, kafka)
            if not app.should_stop:
                _log.info("folding")
            await app.wait_first(stopping, ending)
    finally:
        stopping.cancel()
        ending.cancel()
        # Not `wait_for`: Faust's services swallow the cancellation and would count as stopped.
        stopped = asyncio.create_task(app.stop())
        await asyncio.wait({stopped}, timeout=STOP_TIMEOUT_S)
        if not stopped.done():
            _log.warning("stopped without finishing the work in flight; it is folded again", seconds=STOP_TIMEOUT_S)
            if app.crash_reason is None:
                _end_at_once(0)
            reason = _explained(app.crash_reason, kafka)
            _log.error("ended", error=str(reason))
            _end_at_once(_REFUSED if isinstance(reason, ConfigurationError) else 1)
        stopped.result()
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
    if app.crash_reason is not None:
        raise _explained(app.crash_reason, kafka)
    _log.info("stopped")


def _result_of(starting: "asyncio.Task[None]", kafka: KafkaSettings) -> None:
    try:
        starting.result()
    except KafkaError as error:
        raise _explained(error, kafka) from error


def _explained(reason: BaseException, kafka: KafkaSettings) -> BaseException:
    """Return our error for one of aiokafka's; any other as it is."""
    return translated(kafka, reason) if isinstance(reason, KafkaError) else reason


def _end_at_once(status: int) -> NoReturn:
    """End the process without waiting for Faust's consumer thread.

    During a rebalance that thread waits for the event loop, which has already ended: the process would never exit.
    Everything committed is acknowledged; the group notices the absence after the session timeout.
    """
    logging.shutdown()
    os._exit(status)


def _quieten_faust() -> None:
    """Suppress a warning that Faust repeats per topic: topic declaration is disabled on purpose."""
    logging.getLogger("faust.transport.drivers.aiokafka").addFilter(
        lambda record: not record.getMessage().startswith("Topic creation disabled")
    )
