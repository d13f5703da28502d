"""The generator on a real broker and a real store, and its painter alone with the same pictures."""

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from prometheus_client import CollectorRegistry

from bannerstream.broker.connection import client_options
from bannerstream.broker.publisher import Publisher
from bannerstream.broker.topics import create_topics
from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerReady, BannerRequest
from bannerstream.contracts.sizes import SIZES
from bannerstream.devservers.stack import KafkaKind, S3Kind, Stack
from bannerstream.generator.assembly import build_composer, build_pipeline
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.worker.worker import GeneratorWorker
from bannerstream.settings import GeneratorSettings, Settings
from bannerstream.storage import S3BannerStore
from bench.arena.environments import CACHE
from bench.arena.painting import STEPS, Model, scenes

BANNER_S = 120.0
"""Limit per banner, beyond which the run has failed: a banner takes milliseconds on a GPU, seconds without one."""


class WorkFailed(Exception):
    """The worker ended, rejected a request, or did not finish in time."""


def painter_alone(model: Model, banners: int) -> float:
    """Return pictures per second of the painter alone behind its paint server, for all sizes of `banners` banners."""
    settings = generator_settings(model)
    with ThreadPoolExecutor(1) as executor:
        painter = build_composer(settings, executor, warm_up=True).painter
        requests = [scene for size in SIZES for scene in scenes(banners, size)]
        started = perf_counter()
        painter.paint(requests)
        return len(requests) / (perf_counter() - started)


async def worker_rate(model: Model, banners: int, *, kafka: KafkaKind, s3: S3Kind) -> float:
    """Return pictures per second of the whole worker, from the first request published to the last ready event.

    Counts the pictures that the model painted: the gates reject some noise, which is then painted again.

    Raises:
        WorkFailed: the banners were not made.
        ServerMissing: a server is not available on this machine.
    """
    with _servers(kafka, s3) as overrides:
        settings = Settings(**overrides, generator=generator_settings(model))  # type: ignore[arg-type]
        await create_topics(settings.kafka)
        store = S3BannerStore(settings.storage)
        store.ensure_bucket()
        metrics = GeneratorMetrics(CollectorRegistry())
        worker = GeneratorWorker(settings, build_pipeline(settings.generator, store, metrics), metrics)
        stop = asyncio.Event()
        working = asyncio.create_task(worker.run(stop))
        try:
            async with _Customer(settings) as customer:
                # After the first banner the worker has joined its group and the model is warm.
                await _or_its_end(customer.have_made(_requests(1, revision="first")), working, BANNER_S)
                before, started = _painted(metrics), time.monotonic()
                await _or_its_end(
                    customer.have_made(_requests(banners, revision="measured")), working, BANNER_S * banners
                )
                return (_painted(metrics) - before) / (time.monotonic() - started)
        finally:
            stop.set()
            await asyncio.wait({working})
            store.close()


async def _or_its_end(work: Coroutine[Any, Any, None], worker: "asyncio.Task[None]", limit_s: float) -> None:
    """Wait for `work`, but not after the worker has ended.

    Raises:
        WorkFailed: the worker ended, or `limit_s` passed.
    """
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait({task, worker}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    if task not in done:
        task.cancel()
        await asyncio.wait({task})
        raise WorkFailed("the worker ended" if worker in done else f"the banners were not made within {limit_s:.0f} s")
    await task


def _painted(metrics: GeneratorMetrics) -> float:
    """Return how many pictures the model has painted."""
    (family,) = metrics.images_together.collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_sum"))


def generator_settings(model: Model) -> GeneratorSettings:
    """Return the settings with which both are measured."""
    diffusion = {"tiny_vae": None if model.tiny_vae is None else str(model.tiny_vae), "compile": model.compiled}
    return GeneratorSettings(
        group_id=f"bench-{uuid.uuid4().hex[:8]}",
        painter="diffusers",
        painter_model=str(model.folder),
        painter_steps=STEPS,
        device=model.device,
        diffusion=diffusion,  # type: ignore[arg-type]  # pydantic validates the group
        step_timeout_s=600,
        encode_workers=os.cpu_count() or 1,
        metrics_port=0,
    )


@contextmanager
def _servers(kafka: KafkaKind, s3: S3Kind) -> Iterator[dict[str, dict[str, object]]]:
    with (
        tempfile.TemporaryDirectory(dir=CACHE, prefix="generator-") as scratch,
        Stack(kafka, s3, data_dir=Path(scratch)) as stack,
    ):
        yield stack.settings_overrides()


class _Customer:
    """Publishes requests and waits for the ready events. Connected while the block runs."""

    def __init__(self, settings: Settings) -> None:
        self._topics = settings.kafka.topic_table()
        self._consumer = AIOKafkaConsumer(
            self._topics.ready.name,
            self._topics.dead_letters.name,
            **client_options(settings.kafka),
            auto_offset_reset="earliest",
            group_id=None,
        )
        self._publisher = Publisher(settings.kafka)

    async def have_made(self, requests: Sequence[BannerRequest]) -> None:
        """Publish the requests and return when all banners are ready.

        Raises:
            WorkFailed: a request became a dead letter.
        """
        await asyncio.gather(*map(self._publish, requests))
        missing = {request.banner_key for request in requests}
        while missing:
            for records in (await self._consumer.getmany(timeout_ms=50)).values():
                for record in records:
                    if record.topic == self._topics.dead_letters.name:
                        raise WorkFailed(f"a request became a dead letter: {record.headers}")
                    missing.discard(decode(record.value, BannerReady).banner_key)

    async def _publish(self, request: BannerRequest) -> None:
        event = CloudEvent(id=request.banner_key, type="banner.requested", source="bench", time=request.requested_at)
        await self._publisher.publish(self._topics.requests.name, request.banner_key, request, event)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._publisher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._publisher.__aexit__(kind, error, at)
        await self._consumer.stop()


def _requests(count: int, *, revision: str) -> list[BannerRequest]:
    cohort = with_rev(
        Cohort(cohort_id="cosy", name="Cosy", mood=("warm",), palette=("#fbe9c3", "#e2a07c", "#5b2a1c"), light="day")
    )
    requests = []
    for number in range(count):
        product = with_rev(
            Product(product_id=f"p{number}", title=f"Stoneware Mug {number}", category="kitchen", cohorts={"cosy": 1.0})
        )
        now = time.time_ns() // 1_000_000
        key = banner_key(product, cohort, locale="en", variant="a", creative_revision=revision)
        requests.append(
            BannerRequest(
                banner_key=key,
                product=product,
                cohort=cohort,
                locale="en",
                variant="a",
                creative_revision=revision,
                requested_at=now,
                event_appended_at=now,
            )
        )
    return requests
