"""Events of a busy shop, drawn for a number of users with a distribution, and written to a topic."""

import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray

from bench.arena.shop import COHORTS, memberships
from bench.arena.topics import CLIENT

Distribution = Literal["uniform", "zipf"]
DISTRIBUTIONS = get_args(Distribution)

PARTITIONS = 4
EVENTS_PER_S = 100_000
"""Rate of the event times: they advance by 10 µs per event."""
ZIPF_EXPONENT = 1.1

_FAVOURITES = (0.6, 0.9)
"""A visitor chooses 60 % of the products from one cohort, 30 % from another, the rest from all (cumulative shares)."""
_KINDS = ("view", "click", "cart")
_KIND_SHARES = (0.6, 0.32, 0.08)
_CHUNK = 100_000
_SEED = 7

Entry = tuple[bytes, bytes, int, int]
"""Key, value, partition and timestamp (ms) of a record."""

_SPOILED = (
    b'{"event_id":"e-1","user_id":"visitor-',  # cut off
    b'{"event_id":"e-1","user_id":"somebody","product_id":"sku-00001","time":"yesterday","kind":"click"}',
    b'{"event_id":"e-1","user_id":"somebody","kind":"click"}',
)


@dataclass(frozen=True, slots=True)
class Workload:
    """The parameters of a set of events."""

    users: int
    distribution: Distribution
    events: int
    poison_every: int = 0
    """Every n-th record is invalid; 0: none."""
    warm: bool = False
    """Whether every user comes once before the events, so that none of them is a user's first."""

    @property
    def topic(self) -> str:
        """The topic that holds them."""
        poison = f"-poison-{self.poison_every}" if self.poison_every else ""
        return f"clicks-{self.users}-{self.distribution}-{self.events}{poison}{'-warm' * self.warm}"


@dataclass(frozen=True, slots=True)
class Draw:
    """The events as columns: numbers of users, products and kinds; times in milliseconds."""

    user: NDArray[np.int64]
    product: NDArray[np.int64]
    kind: NDArray[np.int64]
    time: NDArray[np.int64]


def draw(workload: Workload, start_ms: int) -> Draw:
    """Return the events of a workload, deterministic except for the times, which begin at `start_ms`."""
    random = np.random.default_rng([_SEED, workload.users, DISTRIBUTIONS.index(workload.distribution)])
    count = workload.events
    favourites = random.integers(0, len(COHORTS), size=(2, workload.users))
    user = _users(workload, random)
    choice = random.random(count)
    cohort = np.select(
        [choice < _FAVOURITES[0], choice < _FAVOURITES[1]],
        [favourites[0, user], favourites[1, user]],
        random.integers(0, len(COHORTS), size=count),
    )
    return Draw(
        user=user,
        product=_from_shelves(cohort, random),
        kind=np.searchsorted(np.cumsum(_KIND_SHARES[:-1]), random.random(count), side="right"),
        time=start_ms + np.arange(count) * 1000 // EVENTS_PER_S,
    )


def _users(workload: Workload, random: np.random.Generator) -> NDArray[np.int64]:
    if workload.distribution == "uniform":
        return random.integers(0, workload.users, size=workload.events)
    # Exact and bounded; numpy's `zipf` has no upper bound.
    shares = np.cumsum(1.0 / np.arange(1, workload.users + 1) ** ZIPF_EXPONENT)
    return np.searchsorted(shares, random.random(workload.events) * shares[-1])


def _from_shelves(cohort: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return a product of each cohort; the first products of a cohort are more popular."""
    shelves: list[list[int]] = [[] for _ in COHORTS]
    for number, weights in enumerate(memberships().values()):
        for weight in weights:
            shelves[weight].append(number)
    sizes = np.array([len(shelf) for shelf in shelves])
    starts = np.cumsum(sizes) - sizes
    place = (sizes[cohort] * random.random(len(cohort)) ** 2).astype(np.int64)
    return np.concatenate([np.array(shelf) for shelf in shelves])[starts[cohort] + place]


def preload(bootstrap: str, workload: Workload) -> None:
    """Write the events to the workload's topic, which must exist and be empty.

    The last event is dated now: Kafka deletes records older than the topic's retention and rejects future ones.
    Batches are compressed with lz4, as in a shop; the cost is the same for every system.
    """
    start_ms = time.time_ns() // 1_000_000 - workload.events * 1000 // EVENTS_PER_S
    if workload.warm:
        write(bootstrap, workload.topic, first_visits(workload.users, start_ms), compression="lz4")
    events = records(draw(workload, start_ms), workload.users)
    write(bootstrap, workload.topic, poisoned(events, workload.poison_every), compression="lz4")


def write(bootstrap: str, topic: str, entries: Iterable[Entry], *, compression: str) -> None:
    """Write records in bulk and wait for the acknowledgements.

    Raises:
        RuntimeError: some records were not written.
    """
    producer = Producer(
        {
            **CLIENT,
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": compression,
            "linger.ms": 50,
            "batch.size": 131_072,  # the batch size that a producer under load reaches
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,  # no Python call for each of millions of acknowledgements
        }
    )
    failures: list[object] = []
    options = {"on_delivery": lambda error, _: failures.append(error) if error is not None else None}
    for key, value, partition, at in entries:
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=at, **options)
            except BufferError:
                producer.poll(0.05)
            else:
                break
    producer.flush()
    if failures:
        raise RuntimeError(f"{len(failures)} records of {topic} were not written: {failures[0]}")


def poisoned(entries: Iterable[Entry], every: int) -> Iterable[Entry]:
    """Make every n-th record invalid, in three ways in turn; 0: none."""
    if not every:
        return entries
    return (
        (key, _SPOILED[number // every % len(_SPOILED)], partition, at) if number % every == 0 else entry
        for number, entry in enumerate(entries)
        for key, _, partition, at in (entry,)
    )


def first_visits(users: int, at_ms: int) -> Iterator[Entry]:
    """Yield an event of each user, all at this time, under ids of their own."""
    drawn = draw(Workload(users, "uniform", users), at_ms)
    return records(replace(drawn, user=np.arange(users), time=np.full(users, at_ms)), users, b"first")


def first_visits_by_partition(users: int) -> list[int]:
    """Return how many of these lie in each partition."""
    partitions = [partition_of(b"visitor-%d" % number) for number in range(users)]
    return [partitions.count(number) for number in range(PARTITIONS)]


def records(events: Draw, users: int, name: bytes = b"e") -> Iterator[Entry]:
    """Yield key, value, partition and timestamp of each event, in order of time; ids begin with `name`."""
    user_ids = [b"visitor-%d" % number for number in range(users)]
    partitions = [partition_of(user_id) for user_id in user_ids]
    product_ids = [product_id.encode() for product_id in memberships()]
    kinds = [kind.encode() for kind in _KINDS]
    for first in range(0, len(events.user), _CHUNK):
        part = slice(first, first + _CHUNK)
        columns = (events.user[part], events.product[part], events.kind[part], events.time[part])
        for number, (user, product, kind, at) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), first
        ):
            key = user_ids[user]
            value = b'{"event_id":"%b-%d","user_id":"%b","product_id":"%b","time":%d,"kind":"%b"}' % (
                name,
                number,
                key,
                product_ids[product],
                at,
                kinds[kind],
            )
            yield key, value, partitions[user], at


def partition_of(user: bytes) -> int:
    """Return the partition of a user's events, and of the user's state in a changelog."""
    return zlib.crc32(user) % PARTITIONS
