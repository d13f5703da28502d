"""Any number of visitors' states: in memory to measure their size, or in a changelog to be recovered.

A packed state does not contain its visitor's key, so a few thousand different states, folded by the product from
events, represent a million.
"""

import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.keys import UserKeys
from bannerstream.settings import Settings
from bannerstream.streams.affinity import Catalogue, UserState, fold, pack, settle
from bannerstream.streams.batching import MemoryStore
from bench.arena import shop
from bench.arena.audit import NUMBERS
from bench.arena.deployment import CLICKS
from bench.arena.expected import PRODUCTS_KEPT
from bench.arena.workload import PARTITIONS, Entry, Workload, draw, partition_of
from bench.core import rules

Kind = Literal["common", "full"]

EVENTS_PER_USER = 7
TEMPLATES = 2_000
SPREAD_MS = 14 * 86_400_000
"""A visitor's events are within two weeks: two half-lives."""

_KINDS = tuple(InteractionKind)[:3]
_BEFORE_ALL = -1
"""Offset of states into which events will be folded: events from offset 0 on are new."""
_LATE = 750_000
"""Offset of states whose size is measured: that of a topic that has been in use for a while."""


def templates(*, offset: int, now_ms: int) -> list[bytes]:
    """Return packed states of visitors with 7 events each, as of `now_ms`, with `offset` as the last applied offset."""
    catalogue = Catalogue(shop.products(), shop.cohorts(), creative_revision=Settings().generator.creative_revision)
    policy = rules().policy
    events = draw(Workload(TEMPLATES, "uniform", TEMPLATES * EVENTS_PER_USER), now_ms)
    names = list(shop.memberships())
    ago = np.sort(np.random.default_rng(5).integers(0, SPREAD_MS, (TEMPLATES, EVENTS_PER_USER)))[:, ::-1].tolist()
    packed = []
    for user in range(TEMPLATES):
        state = UserState(policy.half_life_ms, now_ms - ago[user][0], offsets={CLICKS: _BEFORE_ALL})
        for number in range(EVENTS_PER_USER):
            index = user * EVENTS_PER_USER + number
            event = Interaction(
                event_id=f"e-{index}",
                user_id=f"visitor-{user}",
                kind=_KINDS[events.kind[index]],
                product_ids=(names[events.product[index]],),
                occurred_at=now_ms - ago[user][number],
            )
            fold(state, event, topic=CLICKS, offset=number, catalogue=catalogue, policy=policy)
            settle(state, catalogue, policy)
        state.offsets[CLICKS] = offset
        packed.append(pack(state))
    return packed


def common_templates(*, offset: int) -> list[bytes]:
    """Return the same number of states in the encoding of bench/peers/README.md."""
    random = np.random.default_rng(5)
    names = list(shop.memberships())
    packed = []
    for _ in range(TEMPLATES):
        scores = random.exponential(2.0, len(shop.COHORTS))
        products = random.choice(len(names), PRODUCTS_KEPT)
        packed.append(NUMBERS.pack(offset, *scores) + "\n".join(names[product] for product in products).encode())
    return packed


def changelog(users: int) -> Iterator[Entry]:
    """Yield the product's changelog of `users` visitors, `visitor-0` and up, who can fold events of any offset."""
    now_ms = time.time_ns() // 1_000_000
    states = templates(offset=_BEFORE_ALL, now_ms=now_ms)
    keys = UserKeys(Settings().privacy.user_key_secret.get_secret_value().encode())
    for number in range(users):
        user = b"visitor-%d" % number
        yield keys[user.decode()], states[number % TEMPLATES], partition_of(user), now_ms


def common_changelog(users: int) -> Iterator[Entry]:
    """Yield the changelog of `users` users as a program of bench/peers/ with plain keys writes it."""
    now_ms = time.time_ns() // 1_000_000
    states = common_templates(offset=_BEFORE_ALL)
    for number in range(users):
        user = b"visitor-%d" % number
        yield user, states[number % TEMPLATES], partition_of(user), now_ms


@dataclass(frozen=True, slots=True)
class RestingWeight:
    """The memory of one user's state at rest, in bytes, without the key's own bytes."""

    key_bytes: int
    resident: float
    """Growth of the process."""
    counted: float
    """Sum of `sys.getsizeof`: without the allocator's rounding and unused space."""
    packed: float
    """Size of the packed state alone."""


def weigh(users: int, kind: Kind) -> RestingWeight:
    """Measure states in `streams.batching.MemoryStore`, in a new process whose allocator has no freed memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_weigh, users, kind).result()


def _weigh(users: int, kind: Kind) -> RestingWeight:
    made = common_templates(offset=_LATE) if kind == "common" else templates(offset=_LATE, now_ms=1_790_000_000_000)
    keys = UserKeys(Settings().privacy.user_key_secret.get_secret_value().encode(), remembered=1)
    gc.collect()
    partitions = [MemoryStore() for _ in range(PARTITIONS)]
    before = _resident()
    for number in range(users):
        user = f"visitor-{number}"
        key = user.encode() if kind == "common" else keys[user]
        # A copy, because every state that a worker packs or reads is a separate object.
        partitions[number % PARTITIONS].update([(key, bytes(bytearray(made[number % TEMPLATES])))], number)
    grown = _resident() - before
    items = [each for partition in partitions for each in partition.items()]
    key_bytes = sum(len(key) for key, _ in items)
    counted = sum(sys.getsizeof(key) + sys.getsizeof(value) for key, value in items)
    counted += sum(sys.getsizeof(partition._states) for partition in partitions)  # noqa: SLF001  (its size is measured)
    return RestingWeight(
        round(key_bytes / users),
        (grown - key_bytes) / users,
        (counted - key_bytes) / users,
        sum(len(value) for _, value in items) / users,
    )


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096
