"""Checks whether the bucket answers: once before the node is ready, then again and again, for an alert."""

import asyncio
from collections.abc import Callable

import structlog

from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.service.retry import Backoff
from bannerstream.storage.errors import StorageError

_log = structlog.get_logger(__name__)

PROBE_S = 30.0
"""Between two checks of a bucket that answers: 2,880 listings a day, a cent and a half on S3."""


class BucketProbe:
    """Calls `check`, which raises `StorageError`, until cancelled. Without a `check`, the node reads no bucket."""

    def __init__(self, check: Callable[[], None] | None, metrics: EdgeMetrics) -> None:
        self._check = check
        self._answers = metrics.bucket_answers
        self.has_answered = asyncio.Event()
        """Set by the first answer. A node without it has wrong settings, or nothing to show."""
        self.answers = check is None
        """Whether the last check succeeded."""
        if check is None:
            self.has_answered.set()
        self._answers.set(self.answers)

    async def run(self) -> None:
        """Check until cancelled, with growing waits while the bucket does not answer."""
        if self._check is None:
            await asyncio.Event().wait()
            return
        backoff = Backoff(longest_s=PROBE_S)
        while True:
            try:
                await asyncio.to_thread(self._check)
            except StorageError as error:
                self._answers.set(0)
                self.answers = False
                _log.warning("bucket_waiting", error=str(error))
                wait_s = backoff.next_s()
            else:
                if not self.answers:
                    _log.info("bucket_answers")
                self._answers.set(1)
                self.answers = True
                self.has_answered.set()
                backoff.reset()
                wait_s = PROBE_S
            await asyncio.sleep(wait_s)
