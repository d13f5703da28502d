"""The set of ready banners equals a plain set, at 8 bytes a banner."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.settings import KafkaSettings
from bannerstream.streams import ready_banners
from bannerstream.streams.ready_banners import ReadyBanners, ReadySet

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
