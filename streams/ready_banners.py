"""Which banners are ready: streams asks again for a decision whose banner never became so.

Streams follows the keys of `banner.ready` itself: it has the decisions, so nobody else needs to know both, and nobody
has to ask for what is there. A banner takes 8 bytes, the 64 bits of its key that decisions hold, too.
"""

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from bannerstream.broker.connection import broker_errors
from bannerstream.broker.tail import Backlog, partitions_of, reading
from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.service.retry import Backoff
from bannerstream.settings import KafkaSettings
from bannerstream.streams.affinity.state import FINGERPRINT_BYTES

_log = structlog.get_logger(__name__)

_MERGE_AT = 20_000
"""Changes kept in sets, about 1 MB, before they are merged into the array: a merge of a million banners takes 10 ms."""
_POLL_MS = 500
_FETCH_BYTES = 1_048_576

Fingerprints = npt.NDArray[np.uint64]


class ReadySet:
    """A set of 64-bit numbers: 8 bytes each, in a sorted array."""

    def __init__(self) -> None:
        self._sorted: Fingerprints = np.empty(0, np.uint64)
        self._added: set[int] = set()
        self._removed: set[int] = set()

    def add(self, number: int) -> None:
        """Add a number."""
        self._removed.discard(number)
        self._added.add(number)
        self._merge(_MERGE_AT)

    def discard(self, number: int) -> None:
        """Remove a number, if it is there."""
        self._added.discard(number)
        self._removed.add(number)
        self._merge(_MERGE_AT)

    def holds(self, numbers: Fingerprints) -> npt.NDArray[np.bool_]:
        """Return, per number, whether it is in the set."""
        self._merge(0)
        if not len(self._sorted):
            return np.zeros(len(numbers), np.bool_)
        places = np.searchsorted(self._sorted, numbers)
        found: npt.NDArray[np.bool_] = self._sorted[np.minimum(places, len(self._sorted) - 1)] == numbers
        return found

    def __len__(self) -> int:
        self._merge(0)
        return len(self._sorted)

    def _merge(self, more_than: int) -> None:
        if len(self._added) + len(self._removed) <= more_than:
            return
        kept = np.setdiff1d(self._sorted, np.fromiter(self._removed, np.uint64), assume_unique=True)
        self._sorted = np.union1d(kept, np.fromiter(self._added, np.uint64))
        self._added, self._removed = set(), set()


class ReadyBanners:
    """Follows `banner.ready` while `run` runs: what is ready once `caught_up`, and no answer before."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._topic = kafka.topic_table().ready.name
        self._ready: ReadySet | None = None

    @property
    def caught_up(self) -> bool:
        """Return whether everything that the topic held is read."""
        return self._ready is not None

    def missing(self, fingerprints: Fingerprints) -> npt.NDArray[np.bool_]:
        """Return, per banner's fingerprint, whether its banner is known not to be ready; none is before `caught_up`."""
        if self._ready is None:
            return np.zeros(len(fingerprints), np.bool_)
        return ~self._ready.holds(fingerprints)

    async def run(self) -> None:
        """Follow until cancelled, through outages; a topic that was made again is read from its beginning."""
        backoff = Backoff()
        while True:
            try:
                await self._follow(backoff)
                self._ready = None
                _log.warning("banner.ready begins again: reading it from its beginning", topic=self._topic)
            except (ServiceUnavailable, ConfigurationError) as error:
                self._ready = None
                wait_s = backoff.next_s()
                _log.warning("ready_banners_waiting", error=str(error), seconds=round(wait_s, 1))
                await asyncio.sleep(wait_s)

    async def _follow(self, backoff: Backoff) -> None:
        """Follow until the topic begins again: it was deleted and made again, and holds nothing of what it held."""
        partitions = await partitions_of(self._kafka, self._topic)
        ready, reached = ReadySet(), dict[Any, int]()
        async with reading(
            self._kafka,
            partitions,
            client_id="bannerstream-streams-ready",
            max_partition_fetch_bytes=_FETCH_BYTES,
        ) as consumer:
            with broker_errors(self._kafka):
                backlog = Backlog(consumer, await consumer.end_offsets(partitions))
                while True:
                    if self._ready is None and await backlog.is_read():
                        self._ready = ready
                        backoff.reset()
                        _log.info("ready_banners_read", banners=len(ready))
                    for partition, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                        if records[0].offset < reached.get(partition, 0):
                            return
                        reached[partition] = records[-1].offset + 1
                        for record in records:
                            _apply(ready, record)


def _apply(ready: ReadySet, record: Any) -> None:
    try:
        fingerprint = int((record.key or b"")[: 2 * FINGERPRINT_BYTES], 16)
    except ValueError:
        return  # no banner key: edge and purger report it
    if record.value is None:
        ready.discard(fingerprint)
    else:
        ready.add(fingerprint)
