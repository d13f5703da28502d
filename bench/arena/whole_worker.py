"""The generator as a shop runs it, on a real broker and a real store, and the same pictures by its painter alone."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from aiokafka import AIOKafkaConsumer
from prometheus_client import CollectorRegistry

from bench.arena.environments import CACHE
from bench.arena.painting import STEPS, Model, wishes
from broker.connection import client_options
from broker.publishing import Publisher
from broker.topics import create_topics
from contracts.catalog import Cohort, Product, with_rev
from contracts.cloudevents import CloudEvent
from contracts.codecs import decode
from contracts.keys import banner_key
from contracts.messages import BannerReady, BannerRequest
from contracts.sizes import SIZES
from generator.assembly import build_composer, build_pipeline
from generator.metrics import GeneratorMetrics
from generator.worker import GeneratorWorker
from local.stack import Stack
from settings import GeneratorSettings, Settings
from storage import S3BannerStore

LONGEST_S = 3600.0
"""A run that has not ended by then has failed."""


def painter_alone(model: Model, banners: int) -> float:
    """Return pictures per second of the painter alone, for all sizes of so many banners, behind its paint server."""
    settings = generator_settings(model)
    with ThreadPoolExecutor(1) as executor:
        painter = build_composer(settings, executor, warm_up=True).painter
        asked = [wish for size in SIZES for wish in wishes(banners, size)]
        started = perf_counter()
        painter.paint(asked)
        return len(asked) / (perf_counter() - started)


async def worker_rate(model: Model, banners: int) -> float:
    """Return pictures per second of the whole worker: from the first request asked for to the last banner announced.

    Counts what the model painted: the gates turn some noise down, and then it paints once more.

    Raises:
        TimeoutError: the banners did not come.
    """
    with _servers() as overrides:
        settings = Settings(**overrides, generator=generator_settings(model))  # type: ignore[arg-type]
        await create_topics(settings.kafka)
        store = S3BannerStore(settings.storage)
        store.ensure_bucket()
        metrics = GeneratorMetrics(CollectorRegistry())
        worker = GeneratorWorker(settings, build_pipeline(settings.generator, store, metrics), metrics)
        stop = asyncio.Event()
        working = asyncio.create_task(worker.run(stop))
        try:
            async with asyncio.timeout(LONGEST_S):
                await _made(settings, _requests(1, revision="first"))  # it has joined its group, and everything is warm
                before, started = _painted(metrics), time.monotonic()
                await _made(settings, _requests(banners, revision="measured"))
                rate = (_painted(metrics) - before) / (time.monotonic() - started)
        finally:
            stop.set()
            await working
            store.close()
    return rate


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
        metrics_port=0,
    )


@contextmanager
def _servers() -> Iterator[dict[str, dict[str, object]]]:
    with (
        tempfile.TemporaryDirectory(dir=CACHE, prefix="generator-") as scratch,
        Stack("apache", "minio", data_dir=Path(scratch)) as stack,
    ):
        yield stack.settings_overrides()


async def _made(settings: Settings, requests: Sequence[BannerRequest]) -> None:
    """Ask for banners and return when all are announced."""
    topics = settings.kafka.topic_table()
    consumer = AIOKafkaConsumer(
        topics.ready.name, **client_options(settings.kafka), auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    missing = {request.banner_key for request in requests}
    try:
        async with Publisher(settings.kafka) as publisher:
            await asyncio.gather(*(_ask(publisher, topics.requests.name, request) for request in requests))
        while missing:
            for records in (await consumer.getmany(timeout_ms=50)).values():
                missing -= {decode(record.value, BannerReady).banner_key for record in records}
    finally:
        await consumer.stop()


async def _ask(publisher: Publisher, topic: str, request: BannerRequest) -> None:
    event = CloudEvent(id=request.banner_key, type="banner.requested", source="bench", time=request.requested_at)
    await publisher.publish(topic, request.banner_key, request, event)


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
