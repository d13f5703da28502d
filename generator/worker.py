"""The worker: takes requests from Kafka in batches, has the pipeline make them, announces them, then commits.

One batch is in flight. The pipeline runs in a thread, so that the event loop keeps heartbeating however long a model
takes; partitions are paused meanwhile. The order that keeps banners whole: blobs and manifest (in the pipeline) →
ready events acknowledged → dead letters acknowledged → offsets committed. Whatever dies in between is made again, and
what is there already is only announced again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from broker.connection import broker_errors, client_options
from broker.errors import MessageTooLarge
from broker.pacing import pace
from broker.publishing import Outgoing, Publisher, outgoing
from contracts.cloudevents import CloudEvent
from contracts.deadletters import DeadLetter
from contracts.errors import ConfigurationError, ServiceUnavailable
from contracts.messages import BannerReady
from generator.batches import Batch, Record, dead_letters
from generator.metrics import GeneratorMetrics
from generator.pipeline import MadeBanner, Pipeline, UnmakeableBanner
from settings import Settings

log = structlog.get_logger(__name__)

SOURCE = "bannerstream/generator"
"""CloudEvents source of ready events."""

_POLL_MS = 500
"""How long one look for records lasts: also how soon a stop is noticed when there are none."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0
"""Between tries when a broker or the store is away: quick at first, then often enough to be back within seconds."""

_T = TypeVar("_T")


class Stopped(Exception):
    """The worker was asked to stop while it waited for a broker or the store; the batch is left for the next start."""


class GeneratorWorker:
    """Makes banners until it is stopped. `now` is the clock, in epoch milliseconds."""

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        metrics: GeneratorMetrics,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._kafka = settings.kafka
        self._settings = settings.generator
        self._topics = settings.kafka.topic_table()
        self._pipeline = pipeline
        self._metrics = metrics
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pipeline")
        self._stop = asyncio.Event()
        self._batch: Batch | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Make banners until `stop` is set; then finish the batch, commit it and leave the group.

        Outages of brokers and store are waited out, and so are refusals: credentials may just be changing.
        """
        self._stop = stop
        with suppress(Stopped):
            publisher = await self._patiently("connect", self._connected)
            consumer = self._consumer()
            try:
                await self._patiently("join", lambda: self._start(consumer))
                log.info("waiting_for_requests", topic=self._topics.requests.name, group=self._settings.group_id)
                while not stop.is_set():
                    records = await self._patiently("fetch", lambda: self._fetch(consumer))
                    if records:
                        await self._work(Batch.of(records), consumer, publisher)
            finally:
                await consumer.stop()
                await publisher.__aexit__(None, None, None)
                self._thread.shutdown()
        log.info("stopped")

    async def _connected(self) -> Publisher:
        return await Publisher(self._kafka, client_id="bannerstream-generator").__aenter__()

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **client_options(self._kafka, client_id="bannerstream-generator"),
            group_id=self._settings.group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(self._kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=round(self._kafka.session_timeout_s * 1000 / 3),
        )

    async def _start(self, consumer: AIOKafkaConsumer) -> None:
        with broker_errors(self._kafka):
            await consumer.start()
        pace(consumer)
        consumer.subscribe([self._topics.requests.name], listener=_Listener(self, consumer))

    async def _fetch(self, consumer: AIOKafkaConsumer) -> list[Record]:
        """Return up to `batch_size` records: whatever came within `batch_wait_s` of the first."""
        records: list[Record] = []
        until: float | None = None
        while len(records) < self._settings.batch_size and not self._stop.is_set():
            wait_ms = _POLL_MS if until is None else round((until - time.monotonic()) * 1000)
            if wait_ms <= 0:
                break
            left = self._settings.batch_size - len(records)
            try:
                with broker_errors(self._kafka):
                    fetched = await consumer.getmany(timeout_ms=wait_ms, max_records=left)
            except (ServiceUnavailable, ConfigurationError):
                if not records:
                    raise
                break  # these are taken already and would not come again
            records += [record for each in fetched.values() for record in each]
            if records and until is None:
                until = time.monotonic() + self._settings.batch_wait_s
        return records

    async def _work(self, batch: Batch, consumer: AIOKafkaConsumer, publisher: Publisher) -> None:
        """See one batch through to its commit, with its partitions paused."""
        self._batch = batch
        self._metrics.batch_size.observe(len(batch.records))
        consumer.pause(*consumer.assignment())
        alive = asyncio.create_task(self._stay_in_group(consumer))
        try:
            outcomes = await self._patiently("make", lambda: self._make(batch))
            await self._patiently("publish", lambda: self._publish(batch, outcomes, publisher))
            await self._commit(batch, consumer)
        except _Abandoned:
            log.info("batch_abandoned", requests=len(batch.requests), reason="its partitions are someone else's now")
        finally:
            alive.cancel()
            with suppress(asyncio.CancelledError):
                await alive
            self._batch = None
            consumer.resume(*consumer.paused())

    async def _make(self, batch: Batch) -> list[MadeBanner | UnmakeableBanner]:
        if batch.abandoned:
            raise _Abandoned
        requests = [request for _, request in batch.requests]
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._pipeline.make, requests)
        except (ServiceUnavailable, ConfigurationError):
            raise
        except Exception as error:
            # Something that the pipeline did not expect of one of them: find which, the others shall not wait.
            log.exception("batch_failed", requests=len(requests), error=repr(error))
        outcomes: list[MadeBanner | UnmakeableBanner] = []
        for request in requests:
            try:
                outcomes += await loop.run_in_executor(self._thread, self._pipeline.make, [request])
            except (ServiceUnavailable, ConfigurationError):
                raise
            except Exception as error:
                outcomes.append(UnmakeableBanner(request, error))
        return outcomes

    async def _publish(self, batch: Batch, outcomes: list[MadeBanner | UnmakeableBanner], publisher: Publisher) -> None:
        """Publish a ready event per banner and a dead letter per record that leads to none; wait for all of them."""
        if batch.abandoned:
            raise _Abandoned
        now = self._now()
        made = [each for each in outcomes if isinstance(each, MadeBanner)]
        failed = [(record, error.code, str(error)) for record, error in batch.refused]
        failed += [
            (record, outcome.code, f"{type(outcome.error).__name__}: {outcome.error}")
            for (record, _), outcome in zip(batch.requests, outcomes, strict=True)
            if isinstance(outcome, UnmakeableBanner)
        ]
        await publisher.publish_all(self._announcements(made, now))
        await self._bury(dead_letters(failed, now), publisher)
        acknowledged_at = self._now()
        for banner in {each.request.banner_key: each for each in made}.values():
            self._metrics.made(banner)
        for banner in made:
            self._metrics.ready(banner.request.event_appended_at, acknowledged_at)
        if failed:
            log.warning("dead_letters", count=len(failed), codes=sorted({code for _, code, _ in failed}))
        log.info("batch_ready", banners=len(made), reused=sum(each.reused for each in made), refused=len(failed))

    async def _bury(self, letters: list[DeadLetter], publisher: Publisher) -> None:
        """Publish dead letters. One that the topic refuses for its size goes without the original, or is only logged.

        The batch must not wait for a letter that will never be taken; its record still lies in the source topic.
        """
        for letter in letters:
            for form in (letter, letter.without_original()):
                try:
                    await publisher.publish_all(
                        [Outgoing(self._topics.dead_letters.name, form.key, form.value, form.headers())]
                    )
                    break
                except MessageTooLarge as error:
                    refusal = error
            else:
                log.error(
                    "dead_letter_refused",
                    topic=letter.topic,
                    partition=letter.partition,
                    offset=letter.offset,
                    code=letter.code,
                    error=str(refusal),
                )

    def _announcements(self, made: Iterable[MadeBanner], now: int) -> list[Outgoing]:
        """Return one ready event per banner; of several requests for it, the oldest starts the clock."""
        oldest: dict[str, MadeBanner] = {}
        for banner in made:
            first = oldest.setdefault(banner.request.banner_key, banner)
            if banner.request.event_appended_at < first.request.event_appended_at:
                oldest[banner.request.banner_key] = banner
        return [
            outgoing(
                self._topics.ready.name,
                key,
                _ready(banner, now),
                CloudEvent(
                    id=f"{key}:{banner.manifest.revision}", type="banner.ready", source=SOURCE, time=now, subject=key
                ),
            )
            for key, banner in oldest.items()
        ]

    async def _commit(self, batch: Batch, consumer: AIOKafkaConsumer) -> None:
        """Commit what is still ours. A commit that fails is no loss: the records come again and find their banners."""
        try:
            with broker_errors(self._kafka):
                if batch.offsets:
                    await consumer.commit(batch.offsets)
        except (ServiceUnavailable, ConfigurationError) as error:
            log.warning("commit_failed", error=str(error), requests=len(batch.requests))

    async def _stay_in_group(self, consumer: AIOKafkaConsumer) -> None:
        """Keep polling paused partitions: a consumer that does not poll is taken for dead and loses them."""
        while True:
            try:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS)
            except Exception as error:
                log.warning("poll_failed", error=repr(error))
                await asyncio.sleep(_FIRST_WAIT_S)
                continue
            for partition, records in fetched.items():  # assigned a moment ago, and not paused in time
                consumer.seek(partition, records[0].offset)

    async def _patiently(self, what: str, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `attempt` returns, however often a broker or the store is away before.

        Raises:
            Stopped: the worker was asked to stop in the meantime.
        """
        wait = _FIRST_WAIT_S
        while True:
            try:
                return await attempt()
            except (ServiceUnavailable, ConfigurationError) as error:
                log.warning("waiting", step=what, error=str(error), seconds=round(wait, 1))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait * random.uniform(0.5, 1.0))
            if self._stop.is_set():
                raise Stopped
            wait = min(_LONGEST_WAIT_S, wait * 2)

    def partitions_lost(self, partitions: Iterable[TopicPartition]) -> None:
        """Note which partitions are no longer ours: their records will not be committed."""
        if self._batch is not None:
            self._batch.lost.update(partitions)

    @property
    def busy(self) -> bool:
        """Tell whether a batch is in flight."""
        return self._batch is not None


class _Abandoned(Exception):
    """Every partition of the batch went to another worker."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the worker what a rebalance took, and pauses what it gave while a batch is in flight."""

    def __init__(self, worker: GeneratorWorker, consumer: AIOKafkaConsumer) -> None:
        self._worker = worker
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._worker.partitions_lost(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        if self._worker.busy:
            self._consumer.pause(*assigned)


def _ready(banner: MadeBanner, now: int) -> BannerReady:
    manifest = banner.manifest
    return BannerReady(
        banner_key=manifest.banner_key,
        manifest_key=banner.manifest_key,
        product_id=manifest.product_id,
        cohort_id=manifest.cohort_id,
        renditions=manifest.renditions,
        engine=manifest.provenance.engine,
        revision=manifest.revision,
        ready_at=now,
        event_appended_at=banner.request.event_appended_at,
        variant=manifest.variant,
        headline=manifest.words.headline,
    )
