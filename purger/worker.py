"""The purge worker: reads changes in windows, purges them, and commits once the CDN has acknowledged.

Nothing is lost, because of this order: the CDN acknowledges the calls, Kafka acknowledges the dead letters of rejected
calls, the offsets are committed. After a crash in between, the window is purged again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from bannerstream.broker.errors import REFUSALS
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.purger.change_reader import ChangeReader, Window
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.ports import Purger
from bannerstream.purger.sender import Sender
from bannerstream.purger.staleness import Origin
from bannerstream.service.retry import Retries, Stopping, pause
from bannerstream.settings import Settings

log = structlog.get_logger(__name__)


class PurgeWorker:
    """Purges until it is stopped. `now`: epoch seconds."""

    def __init__(
        self, settings: Settings, purger: Purger, metrics: PurgerMetrics, now: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._purger = purger
        self._metrics = metrics
        self._now = now
        self._stop = asyncio.Event()
        self._retries = Retries(self._stop, REFUSALS)

    async def run(self, stop: asyncio.Event) -> None:
        """Purge until `stop` is set; a window that the CDN has not acknowledged is purged after the next start.

        Retries during outages of brokers and CDN, and, once it has worked, while credentials are rejected: the operator
        may correct them.

        Raises:
            CertificateRefused, CredentialsRefused, RightMissing: the brokers refuse this worker from its start.
        """
        self._stop = stop
        self._retries = Retries(stop, REFUSALS)
        with suppress(Stopping):
            publisher = await self._retries.until_done("connect", self._connected)
            reader = ChangeReader(self._settings, by_tag=self._purger.by_tag)
            sender = Sender(self._purger, self._metrics, stop, timeout_s=self._settings.cdn.timeout_s, now=self._now)
            try:
                async with sender:
                    await self._retries.until_done("join", reader.start)
                    log.info("waiting_for_changes", cdn=self._purger.name, group=self._settings.cdn.group_id)
                    while not stop.is_set():
                        window = await self._retries.until_done(
                            "fetch", lambda: reader.window(stop.is_set), proves=lambda _: reader.established
                        )
                        await self._purge(window, reader, sender, publisher)
            finally:
                await reader.stop()
                await publisher.__aexit__(None, None, None)
        log.info("stopped")

    async def _connected(self) -> Publisher:
        return await Publisher(self._settings.kafka, client_id="bannerstream-purger").__aenter__()

    async def _purge(self, window: Window, reader: ChangeReader, sender: Sender, publisher: Publisher) -> None:
        """Purge one window and commit it."""
        self._metrics.active.set(reader.active)
        self._metrics.visitors.set(len(reader.staleness.visitors))
        if not window.records:
            return
        with suppress(ServiceUnavailable):
            self._metrics.behind.set(await reader.behind())
        letters = [_letter(origin, error.code, str(error), self._now()) for origin, error in window.refused]
        if window.stale:
            await pause(window.read_at_s + self._settings.cdn.settle_s - time.monotonic(), self._stop)
            letters += await self._purge_stale(window, sender)
        if letters:
            await self._retries.until_done("publish", lambda: self._publish_dead_letters(letters, publisher))
        try:
            await reader.commit(window)
        except (ServiceUnavailable, ConfigurationError) as error:
            log.warning("commit_failed", error=str(error), records=window.records)

    async def _purge_stale(self, window: Window, sender: Sender) -> list[DeadLetter]:
        """Purge the stale pointers; return a dead letter for each record behind a rejected call."""
        stale = window.stale
        origins = {*stale.users.values(), *stale.banners.values()}
        self._metrics.waiting_since.set(min(origin.timestamp for origin in origins) / 1000)
        calls = self._purger.calls(stale, self._now())
        refused = await sender.send_all(calls)
        done_s = self._now()
        self._metrics.waiting_since.set(0)
        for origin in origins:
            self._metrics.lag.observe(max(0.0, done_s - origin.timestamp / 1000))
        log.info(
            "purged",
            users=len(stale.users),
            banners=len(stale.banners),
            calls=len(calls),
            refused=len(refused),
        )
        return [
            _letter(origin, error.code, str(error), done_s)
            for call, error in refused
            for origin in sorted(
                stale.origins(call.keys), key=lambda origin: (origin.topic, origin.partition, origin.offset)
            )
        ]

    async def _publish_dead_letters(self, letters: Iterable[DeadLetter], publisher: Publisher) -> None:
        topic = self._settings.kafka.topic_table().dead_letters.name
        letters = list(letters)
        await publisher.publish_all(Outgoing(topic, letter.key, letter.value, letter.headers()) for letter in letters)
        for letter in letters:
            self._metrics.refused.labels(letter.code).inc()
        log.warning("dead_letters", count=len(letters), codes=sorted({letter.code for letter in letters}))


def _letter(origin: Origin, code: str, reason: str, now_s: float) -> DeadLetter:
    """Return a dead letter without the original value, marked as truncated so that it is never replayed.

    A replay would write an old assignment behind newer ones of the same visitor, and compaction would keep the old one.
    """
    return DeadLetter(
        key=origin.key,
        value=None if origin.key is not None else b"",  # aiokafka rejects a record without key and value
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        code=code,
        reason=reason,
        failed_at=round(now_s * 1000),
        truncated_from=origin.size,
    )
