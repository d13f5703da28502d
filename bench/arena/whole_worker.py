"""The generator as a shop runs it, on a real broker and a real store, and the same pictures by its painter alone."""

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
"""A banner that takes longer than this has failed the run: on a GPU it takes milliseconds, without one seconds."""


class WorkFailed(Exception):
    """The worker ended, refused a request, or does not come to an end."""


def painter_alone(model: Model, banners: int) -> float:
    """Return pictures per second of the painter alone, for all sizes of so many banners, behind its paint server."""
    settings = generator_settings(model)
    with ThreadPoolExecutor(1) as executor:
        painter = build_composer(settings, executor, warm_up=True).painter
        asked = [scene for size in SIZES for scene in scenes(banners, size)]
        started = perf_counter()
        painter.paint(asked)
        return len(asked) / (perf_counter() - started)


async def worker_rate(model: Model, banners: int, *, kafka: KafkaKind, s3: S3Kind) -> float:
    """Return pictures per second of the whole worker: from the first request asked for to the last banner announced.

    Counts what the model painted: the gates turn some noise down, and then it paints once more.

    Raises:
        WorkFailed: the banners did not come.
        ServerMissing: these servers cannot run here.
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
                # Once it has joined its group, everything is warm.
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
    """Wait for work, unless the worker that does it ends."""
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait({task, worker}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    if task not in done:
        task.cancel()
        await asyncio.wait({task})
        raise WorkFailed("the worker ended" if worker in done else f"nothing came to an end within {limit_s:.0f} s")
    await task


def _painted(metrics: GeneratorMetrics) -> float:
    """Return how many pictures the model has painted."""
    (family,) = metrics.images_together.collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_sum"))


def generator_settings(model: Model) -> GeneratorSettings:
    """Return the settings under which both are measured."""
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
    """Asks for banners and waits until they are announced. Connected while the block runs."""

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
        """Return when all are announced.

        Raises:
            WorkFailed: one is a dead letter.
        """
        await asyncio.gather(*map(self._ask, requests))
        missing = {request.banner_key for request in requests}
        while missing:
            for records in (await self._consumer.getmany(timeout_ms=50)).values():
                for record in records:
                    if record.topic == self._topics.dead_letters.name:
                        raise WorkFailed(f"a request was refused: {record.headers}")
                    missing.discard(decode(record.value, BannerReady).banner_key)

    async def _ask(self, request: BannerRequest) -> None:
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
