"""Consumers that do not spin on a broker which answers an empty fetch at once.

Kafka parks a fetch that finds nothing for `fetch.max.wait.ms`, and aiokafka relies on it: it asks again immediately.
The embedded broker of `local.kafka_embedded` does not park: an idle consumer then asks 3,300 times a second and burns
most of a core, of which a trial machine has two.
"""

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaConsumer

from bannerstream.service.compat import overrides_private

QUICK_S = 0.005
"""An empty answer within this was not parked: Kafka's least useful `fetch.max.wait.ms` is ten times as long."""

PAUSE_S = 0.02
"""At most this much later a record is seen; fifty requests a second cost about 2 % of a core."""


@overrides_private("aiokafka.consumer.fetcher:Fetcher._proc_fetch_request", "ace04969424f")
def throttle_empty_fetches(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer pause after an empty answer that came at once. On a broker that parks this does nothing.

    Replaces the fetcher's `_proc_fetch_request`, of this consumer only; aiokafka has no setting for it. While a fetch
    pauses it counts as in flight, so no other goes to that broker.
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
