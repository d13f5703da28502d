"""Probes: events of new visitors that lead to one banner request each; their latency is measured under any other load.

Open loop: the due time of a probe is fixed beforehand, and its latency counts from then even if it is sent late, so a
stall delays every probe that is due during it (no coordinated omission). Each probe has its own product, so that its
banner key was never requested. Events are sent at once (no linger); a request counts when the consumer returns it. Both
ends are in one process, so there is one clock.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from bannerstream.contracts.catalog import Product, with_rev
from bench.arena.deployment import CLICKS, Deployment
from bench.arena.shop import COHORTS
from bench.arena.topics import CLIENT
from bench.arena.workload import PARTITIONS

_SEED = 11
_LONGEST_POLL_S = 0.01
"""A stop is noticed within this time."""
_POLL_S = 0.02
_PREFIX = "probe-"
PROBERS = b"prober-"
"""How the key of every probe begins."""


class _Product(msgspec.Struct):
    product_id: str


class _Request(msgspec.Struct):
    product: _Product


_decode = msgspec.json.Decoder(_Request).decode


class Unanswered(Exception):
    """Probes led to no request before the first step; the message quotes the end of a worker's log."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe. Epoch seconds."""

    partition: int
    due_at: float
    answered_at: float | None

    @property
    def latency_s(self) -> float:
        """From its due time to its request; infinite without a request."""
        return float("inf") if self.answered_at is None else self.answered_at - self.due_at


def products(count: int) -> list[Product]:
    """Return the products of `count` probes, each in one cohort."""
    return [
        with_rev(
            Product(
                product_id=f"{_PREFIX}{number}",
                title=f"Probe number {number}",
                category="probes",
                cohorts={COHORTS[number % len(COHORTS)]: 1.0},
            )
        )
        for number in range(count)
    ]


def schedule(count: int, per_s: float) -> list[float]:
    """Return when each probe is due, in seconds after the first; deterministic.

    The times are random (Poisson), so that they do not synchronise with events that happen every second.
    """
    gaps = np.random.default_rng(_SEED).exponential(1 / per_s, size=count)
    return [float(due) for due in np.cumsum(gaps) - gaps[0]]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile by nearest rank. `share`: 0 to 1.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values have no percentiles")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


class Probes:
    """A context manager that sends `per_s` probes a second while the block runs, at most `most`."""

    def __init__(self, deployment: Deployment, per_s: float, most: int) -> None:
        options = {**CLIENT, "bootstrap.servers": deployment.stage.bootstrap}
        self._producer = Producer({**options, "acks": "all", "linger.ms": 0})
        self._consumer = Consumer({**options, "group.id": "bench-probes", "enable.auto.commit": False})
        ends = deployment.stage.topics.ends(deployment.requests)
        self._consumer.assign([TopicPartition(deployment.requests, number, end) for number, end in enumerate(ends)])
        self._schedule = schedule(most, per_s)
        self._begin = 0.0
        self._sent = 0
        self._answers: dict[int, float] = {}
        self._ends = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="probes")

    def between(self, begin: float, end: float) -> list[Probe]:
        """Return the probes that were due between two times."""
        sent = self._sent
        dues = ((number, self._begin + self._schedule[number]) for number in range(sent))
        return [
            Probe(number % PARTITIONS, due, self._answers.get(number)) for number, due in dues if begin <= due < end
        ]

    def until(self, true: Callable[[], bool], limit_s: float) -> bool:
        """Wait until the condition holds, and return whether it did in time.

        Raises:
            Exception: the error that ended the probes' thread.
        """
        deadline = time.monotonic() + limit_s
        while not true():
            if self._failure is not None:
                raise self._failure
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def run_until(self, end: float, limit_s: float) -> bool:
        """Wait for the time `end`, then for the requests of probes that were due before it; return whether all came."""
        self.until(lambda: time.time() >= end, max(0.0, end - time.time()) + 1)
        return self.until(lambda: all(probe.answered_at is not None for probe in self.between(0.0, end)), limit_s)

    def _run(self) -> None:
        try:
            self._send_and_receive()
        except Exception as error:
            self._failure = error

    def _send_and_receive(self) -> None:
        while not self._ends.is_set():
            now = time.time()
            while (due := self._next_due()) <= now:
                self._send(self._sent, due)
                self._sent += 1
            self._producer.poll(0)
            message = self._consumer.poll(min(max(0.0, due - now), _LONGEST_POLL_S))
            if message is None:
                continue
            received_at = time.time()
            if message.error() is not None:
                raise KafkaException(message.error())
            product_id = _decode(message.value()).product.product_id
            if product_id.startswith(_PREFIX):
                self._answers.setdefault(int(product_id[len(_PREFIX) :]), received_at)

    def _next_due(self) -> float:
        if self._sent == len(self._schedule):
            return float("inf")
        return self._begin + self._schedule[self._sent]

    def _send(self, number: int, due: float) -> None:
        key = PROBERS + b"%d" % number
        value = b'{"event_id":"probe-%d","user_id":"%b","product_id":"%b%d","time":%d,"kind":"click"}' % (
            number,
            key,
            _PREFIX.encode(),
            number,
            round(due * 1000),
        )
        self._producer.produce(CLICKS, value, key, number % PARTITIONS)

    def __enter__(self) -> Self:
        self._begin = time.time()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ends.set()
        self._thread.join()
        self._producer.flush()
        self._consumer.close()


def longest_pause_s(probes: Iterable[Probe]) -> float:
    """Return the longest latency in any partition: its time without progress, if probes are dense."""
    return max(_worst_by_partition(probes))


def _worst_by_partition(probes: Iterable[Probe]) -> Iterator[float]:
    worst: dict[int, float] = {}
    for probe in probes:
        worst[probe.partition] = max(worst.get(probe.partition, 0.0), probe.latency_s)
    return iter(worst.values())
