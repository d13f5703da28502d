"""The worker: takes requests from Kafka, makes them with the pipeline, announces them, then commits.

Several tasks share one queue. One fills it from Kafka until it is full. `generator.batches_in_flight` tasks process one
batch each: they make it on a thread, so that the event loop keeps heartbeating however long a model takes, announce it,
then commit it. With `generator.progressive`, one more task runs ahead and announces previews. The order that keeps
banners whole: blobs and manifest (in the pipeline) → ready events acknowledged → refusals and dead letters acknowledged
→ offsets committed. After a crash in between, the worker makes the banner again, or only announces it if it is stored.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from bannerstream.broker.errors import REFUSALS
from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.errors import ModelLost
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.pipeline.pipeline import BannerOutcome, MadeBanner, Pipeline, UnmakeableBanner
from bannerstream.generator.worker.announcer import announce, publish_dead_letters
from bannerstream.generator.worker.records import RequestRecord, dead_letters
from bannerstream.generator.worker.refusals import RefusalBook
from bannerstream.generator.worker.request_queue import PendingBanner, RequestQueue
from bannerstream.generator.worker.request_source import RejectedRecord, RequestSource
from bannerstream.service.retry import Retries, Stopping
from bannerstream.settings import Settings

log = structlog.get_logger(__name__)

_DRAIN = 0.5
"""Fraction of the session timeout in which batches may finish before partitions are revoked. The group waits for a
member for the whole timeout; half of it leaves time to rejoin."""


class GeneratorWorker:
    """Makes banners until it is stopped. `now` is the clock, in epoch milliseconds."""

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        metrics: GeneratorMetrics,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._refusals = RefusalBook(settings.kafka)
        pipeline.refused = self._refusals.refusal_of
        self._kafka = settings.kafka
        self._settings = settings.generator
        self._topics = settings.kafka.topic_table()
        self._pipeline = pipeline
        self._metrics = metrics
        self._now = now
        loops = settings.generator.batches_in_flight + (pipeline.preview_composer is not None)
        self._threads = ThreadPoolExecutor(loops, thread_name_prefix="pipeline")
        self._queue = RequestQueue(settings.generator.queue_size, previews=pipeline.preview_composer is not None)
        self._rejected: list[RejectedRecord] = []
        self._stopping = asyncio.Event()
        self._retries = Retries(self._stopping, REFUSALS)
        self._changed = asyncio.Condition()
        self._draining = False
        self._in_flight = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Make banners until `stop` is set; then finish the batches in flight, commit them and leave the group.

        The worker waits out outages of brokers and store, and denied access too once it has worked: credentials may be
        rotating.

        Raises:
            CertificateRefused, CredentialsRefused, RightMissing: the brokers refuse this worker from its start.
            ModelLost: a model hangs or fails for good; the studio finished the batches in flight, then committed.
        """
        loop = asyncio.get_running_loop()
        self._pipeline.health.add_listener(lambda: loop.call_soon_threadsafe(self._stopping.set))
        watch = asyncio.create_task(self._wake_on_stop(stop))
        following = asyncio.create_task(self._refusals.view.run(), name="refusals")
        try:
            with suppress(Stopping):
                publisher = await self._retries.until_done("connect", self._connected)
                source = self._source()
                try:
                    await self._open_refusals(publisher, following)
                    await self._retries.until_done("join", source.start)
                    self._metrics.accepting.set(1)
                    await self._serve(source, publisher)
                finally:
                    self._metrics.accepting.set(0)
                    await source.stop()
                    await publisher.__aexit__(None, None, None)
                    self._threads.shutdown(wait=False)
        finally:
            watch.cancel()
            following.cancel()
        if self._pipeline.health.reason is not None:
            raise ModelLost(f"{self._pipeline.health.reason}; the process ends so that its supervisor restarts it")
        log.info("stopped")

    async def _wake_on_stop(self, stop: asyncio.Event) -> None:
        """Wake every task when the worker has to end."""
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: self._stopping.set())
        try:
            await self._stopping.wait()
        finally:
            stopped.cancel()
        await self._notify()

    async def _connected(self) -> Publisher:
        return await Publisher(self._kafka, client_id="bannerstream-generator").__aenter__()

    async def _open_refusals(self, publisher: Publisher, following: "asyncio.Task[None]") -> None:
        """Read what cannot be made, move earlier versions' blocks there, and delete what this process may make.

        Raises:
            Stopping: a stop was requested.
            CertificateRefused, CredentialsRefused, RightMissing: the brokers refuse to let this worker read them.
        """
        caught_up = asyncio.create_task(self._refusals.view.caught_up.wait())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({caught_up, stopped, following}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            caught_up.cancel()
            stopped.cancel()
        if self._stopping.is_set():
            raise Stopping
        if following.done():
            following.result()
        store = self._pipeline.store
        blocks = await self._retries.until_done("blocks", lambda: asyncio.to_thread(store.blocks_to_move))
        withdrawn = await asyncio.to_thread(self._refusals.to_try_again)
        records = [*self._refusals.moved(blocks), *withdrawn]
        await self._retries.until_done("refusals", lambda: publisher.publish_all(records))
        if blocks:
            await self._retries.until_done("blocks", lambda: asyncio.to_thread(store.mark_blocks_moved))
        if records:
            log.info("refusals_checked", moved=len(records) - len(withdrawn), withdrawn=len(withdrawn))

    def _source(self) -> RequestSource:
        return RequestSource(
            self._kafka,
            group_id=self._settings.group_id,
            queue=self._queue,
            metrics=self._metrics,
            before_revoke=self._drain,
        )

    async def _serve(self, source: RequestSource, publisher: Publisher) -> None:
        loops = [self._make_banners(source, publisher) for _ in range(self._settings.batches_in_flight)]
        if self._pipeline.preview_composer is not None:
            loops.append(self._preview_banners(source, publisher))
        try:
            async with asyncio.TaskGroup() as tasks:
                making = [tasks.create_task(loop) for loop in loops]
                taking = tasks.create_task(self._take_requests(source))
                await asyncio.wait(making)
                taking.cancel()
        except* REFUSALS as refused:
            refusal = refused.exceptions[0]
        else:
            return
        raise refusal

    async def _take_requests(self, source: RequestSource) -> None:
        """Fill the queue. Continues while batches finish, so that the group does not consider this worker dead."""
        while True:
            try:
                self._rejected += await self._retries.until_done(
                    "fetch", source.poll, proves=lambda _: source.established
                )
            except Stopping:
                await asyncio.sleep(0.5)
                continue
            await self._notify()

    async def _make_banners(self, source: RequestSource, publisher: Publisher) -> None:
        """Process batches up to their commits, one after the other."""
        while await self._wait_until(lambda: bool(self._queue.waiting or self._rejected)):
            batch = self._queue.take(self._settings.batch_size)
            rejected, self._rejected = self._rejected, []
            self._in_flight += 1
            try:
                await self._process_batch(batch, rejected, publisher)
                await source.commit()
            except Stopping:
                return
            finally:
                self._in_flight -= 1
                await self._notify()

    async def _process_batch(
        self, batch: list[PendingBanner], rejected: list[RejectedRecord], publisher: Publisher
    ) -> None:
        if batch:
            self._metrics.batch_size.observe(len(batch))
        requests = [pending.request for pending in batch]
        outcomes = await self._retries.until_done("make", lambda: self._make(requests))
        answered = [(self._queue.detach(pending), outcome) for pending, outcome in zip(batch, outcomes, strict=True)]
        await self._retries.until_done("publish", lambda: self._publish_results(answered, rejected, publisher))
        for records, outcome in answered:
            self._queue.finish(records)
            if records and isinstance(outcome, MadeBanner):
                self._metrics.made(outcome)
        self._queue.finish(record for record, _ in rejected)

    async def _make(self, requests: list[BannerRequest]) -> list[BannerOutcome]:
        if not requests:
            return []
        try:
            return await self._on_thread(self._pipeline.make, requests)
        except (ServiceUnavailable, ConfigurationError):
            raise
        except Exception as error:
            # One request raised an unexpected error: make each alone, so that the others do not wait.
            log.exception("batch_failed", requests=len(requests), error=repr(error))
        outcomes: list[BannerOutcome] = []
        for request in requests:
            try:
                outcomes += await self._on_thread(self._pipeline.make, [request])
            except (ServiceUnavailable, ConfigurationError):
                raise
            except Exception as error:
                outcomes.append(UnmakeableBanner(request, error))
        return outcomes

    async def _publish_results(
        self,
        answered: list[tuple[list[RequestRecord], BannerOutcome]],
        rejected: list[RejectedRecord],
        publisher: Publisher,
    ) -> None:
        """Publish a ready event per banner, a refusal per product and a dead letter per record that leads to none.

        Leaves out banners that only lost partitions request: the worker that has them now answers.
        """
        now_ms = self._now()
        made = [outcome for records, outcome in answered if records and isinstance(outcome, MadeBanner)]
        failed = [(record, error.code, str(error)) for record, error in rejected if self._queue.holds(record)]
        failed += [
            (record, outcome.code, f"{type(outcome.error).__name__}: {outcome.error}")
            for records, outcome in answered
            for record in records
            if isinstance(outcome, UnmakeableBanner)
        ]
        await announce(made, publisher, self._topics, now_ms)
        await publisher.publish_all(
            self._refusals.records([outcome for records, outcome in answered if records], now_ms)
        )
        await publish_dead_letters(dead_letters(failed, now_ms), publisher, self._topics)
        acknowledged_at_ms = self._now()
        for banner in made:
            self._metrics.ready(banner, acknowledged_at_ms)
        for _, code, _ in failed:
            self._metrics.dead_letters.labels(code).inc()
        if failed:
            log.warning("dead_letters", count=len(failed), codes=sorted({code for _, code, _ in failed}))
        log.info("batch_ready", banners=len(made), reused=sum(banner.reused for banner in made), refused=len(failed))

    async def _preview_banners(self, source: RequestSource, publisher: Publisher) -> None:
        """Announce what can be shown at once; a banner that is already final is not made again."""
        while await self._wait_until(lambda: self._queue.waiting_for_preview > 0):
            batch = self._queue.take_for_preview(self._settings.batch_size)
            self._in_flight += 1
            try:
                await self._publish_previews(batch, publisher)
                await source.commit()
            except Stopping:
                return
            finally:
                self._in_flight -= 1
                await self._notify()

    async def _publish_previews(self, batch: list[PendingBanner], publisher: Publisher) -> None:
        requests = [pending.request for pending in batch]
        outcomes = await self._retries.until_done("preview", lambda: self._preview(requests))
        banners: list[MadeBanner] = []
        final: list[PendingBanner] = []
        for pending, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, MadeBanner) and self._queue.records(pending):
                banners.append(outcome)
                if not outcome.manifest.provisional:
                    final.append(pending)
        await self._retries.until_done("publish", lambda: announce(banners, publisher, self._topics, self._now()))
        acknowledged_at_ms = self._now()
        for banner in banners:
            self._metrics.ready(banner, acknowledged_at_ms)
            self._metrics.made(banner)
        for pending in batch:
            if pending in final:  # compared by identity
                self._queue.finish(self._queue.detach(pending))
            else:
                self._queue.preview_done(pending)
        log.info("previews_ready", banners=len(banners), final=len(final))

    async def _preview(self, requests: list[BannerRequest]) -> list[BannerOutcome]:
        try:
            return await self._on_thread(self._pipeline.preview, requests)
        except (ServiceUnavailable, ConfigurationError):
            raise
        except Exception as error:  # previews are optional: the banner itself still follows
            log.exception("previews_failed", requests=len(requests), error=repr(error))
            return [UnmakeableBanner(request, error) for request in requests]

    async def _on_thread(
        self, work: Callable[[list[BannerRequest]], list[BannerOutcome]], requests: list[BannerRequest]
    ) -> list[BannerOutcome]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, requests)

    async def _drain(self) -> None:
        """Let batches in flight finish before their partitions move, so that the next worker need not repeat them."""
        self._draining = True
        try:
            async with self._changed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._kafka.session_timeout_s * _DRAIN):
                        await self._changed.wait_for(lambda: self._in_flight == 0)
        finally:
            self._draining = False
            await self._notify()

    async def _wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; return False when the worker ends."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._stopping.is_set() or (not self._draining and condition()))
        return not self._stopping.is_set()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
