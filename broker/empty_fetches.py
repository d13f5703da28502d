"""Throttles consumers on a broker that answers an empty fetch at once.

Kafka holds a fetch without records for `fetch.max.wait.ms`, and aiokafka relies on it: it fetches again immediately.
The embedded broker of `devservers.kafka_embedded` does not: an idle consumer fetches 3,300 times a second and takes
most of a core, and a trial machine has two.
"""

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaConsumer

from bannerstream.service.compat import overrides_private

QUICK_S = 0.005
"""An empty response within this time was not held: the shortest useful `fetch.max.wait.ms` is ten times as long."""

PAUSE_S = 0.02
"""Longest added delay of a record; fifty requests a second cost about 2 % of a core."""


@overrides_private("aiokafka.consumer.fetcher:Fetcher._proc_fetch_request", "ace04969424f")
def throttle_empty_fetches(consumer: AIOKafkaConsumer) -> None:
    """Make a started consumer pause after an immediate empty response. No effect on a broker that holds empty fetches.

    Replaces `_proc_fetch_request` of this consumer's fetcher; aiokafka has no setting for it. A pausing fetch counts as
    in flight, so no other is sent to that broker.
    """
    fetcher: Any = consumer._fetcher  # noqa: SLF001  (see above)
    fetch = fetcher._proc_fetch_request  # noqa: SLF001

    async def paced(assignment: Any, node_id: int, request: Any) -> bool:
        started = time.monotonic()
        found: bool = await fetch(assignment, node_id, request)
        if not found and time.monotonic() - started < QUICK_S:
            try:
                await asyncio.sleep(PAUSE_S)
            except asyncio.CancelledError:  # the consumer closes, and awaits this task without minding a cancellation
                return False
        return found

    fetcher._proc_fetch_request = paced  # noqa: SLF001
