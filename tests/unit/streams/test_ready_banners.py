"""The set of ready banners equals a plain set, at 8 bytes a banner."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.settings import KafkaSettings
from bannerstream.streams import ready_banners
from bannerstream.streams.ready_banners import ReadyBanners, ReadySet
from tests.support.waiting import until

READY = TopicPartition("banner.ready", 0)

numbers = st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 2, 2**64 - 1])


@pytest.mark.parametrize("merge_at", [0, 2, 100])
@given(steps=st.lists(st.tuples(st.booleans(), numbers, st.booleans()), max_size=40))
def test_it_is_a_set(merge_at: int, steps: list[tuple[bool, int, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ready_banners, "_MERGE_AT", merge_at)
        ready, model = ReadySet(), set[int]()
        for adds, number, asks in steps:
            if adds:
                ready.add(number)
                model.add(number)
            else:
                ready.discard(number)
                model.discard(number)
            if asks:
                every = [0, 1, 2, 3, 2**63, 2**64 - 2, 2**64 - 1]
                assert ready.holds(np.array(every, np.uint64)).tolist() == [each in model for each in every]
        assert len(ready) == len(model)


def test_a_hundred_thousand_take_less_than_a_megabyte() -> None:
    ready = ReadySet()
    for number in range(100_000):
        ready.add(number * 184_467_440_737)
    assert len(ready) == 100_000
    assert ready._sorted.nbytes == 800_000
    assert not ready._added


@dataclass(frozen=True)
class Record:
    key: bytes | None
    value: bytes | None = b"{}"
    offset: int = 0


def test_keys_count_by_their_first_64_bits_and_tombstones_remove_them() -> None:
    ready = ReadySet()
    for record in (Record(b"a" * 64), Record(b"b" * 64), Record(b"a" * 64, None), Record(b"not hex"), Record(None)):
        ready_banners._apply(ready, record)
    assert ready.holds(np.array([int("a" * 16, 16), int("b" * 16, 16)], np.uint64)).tolist() == [False, True]


def test_nothing_is_missing_before_the_topic_is_read() -> None:
    banners = ReadyBanners(KafkaSettings())
    assert not banners.caught_up
    assert banners.missing(np.array([1], np.uint64)).tolist() == [False]
    banners._ready = ReadySet()
    assert banners.missing(np.array([1], np.uint64)).tolist() == [True]


class Consumer:
    """Hands out prepared fetches of one partition, and is then at its end for ever."""

    def __init__(self, *fetches: list[Record]) -> None:
        self.fetches = list(fetches)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def position(self, _: TopicPartition) -> int:
        return 0

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        del timeout_ms
        await asyncio.sleep(0)
        return {READY: self.fetches.pop(0)} if self.fetches else {}


async def test_a_topic_that_was_made_again_holds_nothing_of_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = Record(b"a" * 64, offset=7), Record(b"b" * 64, offset=0)
    # The consumer's position lies behind the new end, so it begins again; the topic is then opened again.
    consumers = [Consumer([before], [after]), Consumer([after])]

    async def partitions_of(*_: object) -> list[TopicPartition]:
        return [READY]

    @asynccontextmanager
    async def reading(*_: object, **__: object) -> AsyncIterator[Consumer]:
        yield consumers.pop(0)

    monkeypatch.setattr(ready_banners, "partitions_of", partitions_of)
    monkeypatch.setattr(ready_banners, "reading", reading)
    banners = ReadyBanners(KafkaSettings())
    both = np.array([int(character * 16, 16) for character in "ab"], np.uint64)
    following = asyncio.create_task(banners.run())
    try:
        await until(lambda: not consumers and banners.missing(both).tolist() == [True, False])
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
