"""The load during a run: events of many visitors at a steady rate, some of them late, bad or repeated."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from bannerstream.broker.connection import client_options
from bannerstream.settings import Settings
from tests.support.shop import DAY, PRODUCTS

TICK_S = 0.02
BAD = "bad"
"""Header of records that must become dead letters; its value is the code. The worker does not look at headers."""

REPEAT = "repeat"
"""Header of repeated valid records, with the same event id: they must not count."""

BACKLOG = 1_500
"""Events that may wait for a worker that is starting. Without a limit, most of the load would be written during a slow
start on a busy machine."""

_REQUEST_TIMEOUT_MS = 120_000
"""Longer than every outage of a scenario."""


@dataclass(frozen=True)
class Traffic:
    """The amount and the rate of the load."""

    events: int = 12_000
    visitors: int = 300
    per_s: int = 1_000


class Load:
    """Writes events while `run` runs. The sequence of events depends only on the seed; timestamps are the clock's."""

    def __init__(self, settings: Settings, random_: random.Random, traffic: Traffic) -> None:
        self._topics = settings.kafka.topic_table()
        self._options = client_options(settings.kafka, client_id="load")
        self._random = random_
        self._traffic = traffic
        self.visitors = traffic.visitors
        self.written = 0
        self.is_done = False
        self._retired_every = 0

    async def run(self, is_served: Callable[[], bool]) -> None:
        """Write all events with acknowledgements; wait while no worker has folded for `BACKLOG` events."""
        # Idempotent, because the audit counts: a retry after a slow response would write an event twice.
        options = self._options | {"enable_idempotence": True, "request_timeout_ms": _REQUEST_TIMEOUT_MS}
        async with AIOKafkaProducer(**options) as producer:
            due, served, last = 0.0, 0, time.monotonic()
            while self.written < self._traffic.events:
                now = time.monotonic()
                served = self.written if is_served() else served
                if self.written - served < BACKLOG:
                    due = min(due + (now - last) * self._traffic.per_s, self._traffic.events)
                last = now
                while self.written < due:
                    await self._write(producer)
                await asyncio.sleep(TICK_S)
            await producer.flush()
        self.is_done = True

    async def reached(self, fraction: float) -> None:
        """Return once this share is written."""
        while self.written < fraction * self._traffic.events:  # noqa: ASYNC110  (one writer, few readers)
            await asyncio.sleep(TICK_S)

    def retire(self, every: int) -> list[str]:
        """Stop writing events of every n-th visitor; return their user ids."""
        self._retired_every = every
        return [f"visitor-{number}" for number in range(0, self.visitors, every)]

    async def _write(self, producer: AIOKafkaProducer) -> None:
        topic, key, value, bad = self._record(self.written)
        headers = [] if bad is None else [(BAD, bad.encode())]
        await producer.send(topic, value, key=key, headers=headers)
        self.written += 1
        if bad is None and self._random.random() < 0.02:
            await producer.send(topic, value, key=key, headers=[(REPEAT, b"")])
            self.written += 1

    def _record(self, number: int) -> tuple[str, bytes, bytes | None, str | None]:
        """Return topic, key, value and, for a bad record, the code that its dead letter must have."""
        random_ = self._random
        visitor = random_.randrange(self._traffic.visitors)
        if self._retired_every and visitor % self._retired_every == 0:
            visitor += 1
        user = f"visitor-{visitor}"
        kind = random_.choices(["view", "click", "cart", "purchase"], [6, 4, 2, 1])[0]
        late = random_.randrange(40 * DAY) if random_.random() < 0.1 else 0
        product_ids = random_.sample([product.product_id for product in PRODUCTS], random_.choice([1, 1, 2]))
        bad = random_.choice(["malformed", "unknown_product", "wrong_key"]) if random_.random() < 0.02 else None
        if bad == "unknown_product":
            product_ids = ["no-such-product"]
        at = time.time_ns() // 1_000_000 - late
        event = {"event_id": f"e-{number}", "user_id": user, "product_ids": product_ids, "time": at, "kind": kind}
        value = b"{not json" if bad == "malformed" else json.dumps(event).encode()
        key = b"somebody-else" if bad == "wrong_key" else user.encode()
        topic = self._topics.purchases.name if kind == "purchase" else self._topics.clicks.name
        return topic, key, value, bad
