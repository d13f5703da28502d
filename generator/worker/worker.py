"""The worker: takes requests from Kafka, has the pipeline make them, announces them, then commits.

Some tasks share one queue. One fills it from Kafka, until it is full. `generator.batches_in_flight` of them see a batch
through each: made on a thread, so that the event loop keeps heartbeating however long a model takes, then announced,
then committed. With `generator.progressive` one more goes ahead of them and announces previews. The order that keeps
banners whole: blobs and manifest (in the pipeline) → ready events acknowledged → dead letters acknowledged → offsets
committed. Whatever dies in between is made again, and what is there already is only announced again.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.errors import ModelLost
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.pipeline.pipeline import BannerOutcome, MadeBanner, Pipeline, UnmakeableBanner
from bannerstream.generator.worker.announcer import announce, publish_dead_letters
from bannerstream.generator.worker.records import RequestRecord, dead_letters
from bannerstream.generator.worker.request_queue import PendingBanner, RequestQueue
from bannerstream.generator.worker.request_source import RejectedRecord, RequestSource
from bannerstream.service.retry import Stopping, retry_until
from bannerstream.settings import Settings

log = structlog.get_logger(__name__)

_DRAIN = 0.5
"""Fraction of the session timeout in which batches may finish before partitions are given up. All of it is what the
group waits for a member; half leaves time to join again."""


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
        loops = settings.generator.batches_in_flight + (pipeline.preview_composer is not None)
        self._threads = ThreadPoolExecutor(loops, thread_name_prefix="pipeline")
        self._queue = RequestQueue(settings.generator.queue_size, previews=pipeline.preview_composer is not None)
        self._rejected: list[RejectedRecord] = []
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()
        self._draining = False
        self._in_flight = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Make banners until `stop` is set; then finish the batches in flight, commit them and leave the group.

        Outages of brokers and store are waited out, and so are refusals: credentials may just be changing.

        Raises:
            ModelLost: a model hangs or fails for good; what was in flight is made by the studio and committed.
        """
        loop = asyncio.get_running_loop()
        self._pipeline.health.listen(lambda: loop.call_soon_threadsafe(self._stopping.set))
        watch = asyncio.create_task(self._wake_on_stop(stop))
        try:
            with suppress(Stopping):
                publisher = await retry_until("connect", self._connected, self._stopping)
                source = self._source()
                try:
                    await retry_until("join", source.start, self._stopping)
                    self._metrics.accepting.set(1)
                    await self._serve(source, publisher)
                finally:
                    self._metrics.accepting.set(0)
                    await source.stop()
                    await publisher.__aexit__(None, None, None)
                    self._threads.shutdown(wait=False)
        finally:
            watch.cancel()
        if self._pipeline.health.reason is not None:
            raise ModelLost(f"{self._pipeline.health.reason}; the process ends, for its supervisor to start another")
        log.info("stopped")

    async def _wake_on_stop(self, stop: asyncio.Event) -> None:
        """Wake every task when the worker is to end."""
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: self._stopping.set())
        try:
            await self._stopping.wait()
        finally:
            stopped.cancel()
        await self._notify()

    async def _connected(self) -> Publisher:
        return await Publisher(self._kafka, client_id="bannerstream-generator").__aenter__()

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
        async with asyncio.TaskGroup() as tasks:
            making = [tasks.create_task(loop) for loop in loops]
            taking = tasks.create_task(self._take_requests(source))
            await asyncio.wait(making)
            taking.cancel()

    async def _take_requests(self, source: RequestSource) -> None:
        """Fill the queue. Goes on while batches finish, so that the group does not take this worker for dead."""
        while True:
            try:
                self._rejected += await retry_until("fetch", source.poll, self._stopping)
            except Stopping:
                await asyncio.sleep(0.5)
                continue
            await self._notify()

    async def _make_banners(self, source: RequestSource, publisher: Publisher) -> None:
        """See batches through to their commits, one after the other."""
        while await self._wait_until(lambda: bool(self._queue.waiting or self._rejected)):
            wanted = self._queue.take(self._settings.batch_size)
            rejected, self._rejected = self._rejected, []
            self._in_flight += 1
            try:
                await self._process_batch(wanted, rejected, publisher)
                await source.commit()
            except Stopping:
                return
            finally:
                self._in_flight -= 1
                await self._notify()

    async def _process_batch(
        self, wanted: list[PendingBanner], rejected: list[RejectedRecord], publisher: Publisher
    ) -> None:
        if wanted:
            self._metrics.batch_size.observe(len(wanted))
        requests = [each.request for each in wanted]
        outcomes = await retry_until("make", lambda: self._make(requests), self._stopping)
        answered = [(self._queue.detach(each), outcome) for each, outcome in zip(wanted, outcomes, strict=True)]
        await retry_until("publish", lambda: self._publish_results(answered, rejected, publisher), self._stopping)
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
            # Something that the pipeline did not expect of one of them: find which, the others shall not wait.
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
        """Publish a ready event per banner and a dead letter per record that leads to none; wait for all of them.

        What is asked for by lost partitions only is left out: who has them now answers.
        """
        now = self._now()
        made = [outcome for records, outcome in answered if records and isinstance(outcome, MadeBanner)]
        failed = [(record, error.code, str(error)) for record, error in rejected if self._queue.holds(record)]
        failed += [
            (record, outcome.code, f"{type(outcome.error).__name__}: {outcome.error}")
            for records, outcome in answered
            for record in records
            if isinstance(outcome, UnmakeableBanner)
        ]
        await announce(made, publisher, self._topics, now)
        await publish_dead_letters(dead_letters(failed, now), publisher, self._topics)
        acknowledged_at = self._now()
        for banner in made:
            self._metrics.ready(banner, acknowledged_at)
        if failed:
            log.warning("dead_letters", count=len(failed), codes=sorted({code for _, code, _ in failed}))
        log.info("batch_ready", banners=len(made), reused=sum(each.reused for each in made), rejected=len(failed))

    async def _preview_banners(self, source: RequestSource, publisher: Publisher) -> None:
        """Announce what can be shown at once; what is final already need not be made."""
        while await self._wait_until(lambda: self._queue.waiting_for_preview > 0):
            wanted = self._queue.take_for_preview(self._settings.batch_size)
            self._in_flight += 1
            try:
                await self._publish_previews(wanted, publisher)
                await source.commit()
            except Stopping:
                return
            finally:
                self._in_flight -= 1
                await self._notify()

    async def _publish_previews(self, wanted: list[PendingBanner], publisher: Publisher) -> None:
        requests = [each.request for each in wanted]
        outcomes = await retry_until("preview", lambda: self._preview(requests), self._stopping)
        shown = [
            (each, outcome)
            for each, outcome in zip(wanted, outcomes, strict=True)
            if isinstance(outcome, MadeBanner) and self._queue.records(each)
        ]
        banners = [outcome for _, outcome in shown]
        await retry_until("publish", lambda: announce(banners, publisher, self._topics, self._now()), self._stopping)
        acknowledged_at = self._now()
        final = {id(each) for each, outcome in shown if not outcome.manifest.provisional}
        for banner in banners:
            self._metrics.ready(banner, acknowledged_at)
            self._metrics.made(banner)
        for each in wanted:
            if id(each) in final:
                self._queue.finish(self._queue.detach(each))
            else:
                self._queue.preview_done(each)
        log.info("previews_ready", banners=len(banners), final=len(final))

    async def _preview(self, requests: list[BannerRequest]) -> list[BannerOutcome]:
        try:
            return await self._on_thread(self._pipeline.preview, requests)
        except (ServiceUnavailable, ConfigurationError):
            raise
        except Exception as error:  # without a preview, then: the banner itself is still to be made
            log.exception("previews_failed", requests=len(requests), error=repr(error))
            return [UnmakeableBanner(request, error) for request in requests]

    async def _on_thread(
        self, work: Callable[[list[BannerRequest]], list[BannerOutcome]], requests: list[BannerRequest]
    ) -> list[BannerOutcome]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, requests)

    async def _drain(self) -> None:
        """Let what is in flight finish before its partitions go: who gets them need not make it again."""
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
