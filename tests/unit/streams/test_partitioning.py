"""Our partitions equal those of Kafka's clients."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.streams.partitioning import murmur2, partitions_of

KEYS = st.integers(0, 16).flatmap(lambda words: st.lists(st.binary(min_size=4 * words, max_size=4 * words), min_size=1))


@given(KEYS)
def test_hashes_are_those_of_the_clients(keys):
    assert murmur2(keys).tolist() == [reference(key) & 0xFFFFFFFF for key in keys]


@given(KEYS, st.integers(1, 1_000))
def test_partitions_are_those_of_the_clients(keys, count):
    partitioner, partitions = DefaultPartitioner(), list(range(count))
    assert partitions_of(keys, count) == [partitioner(key, partitions, partitions) for key in keys]


def test_no_keys_have_no_partitions():
    assert partitions_of([], 3) == []


@pytest.mark.parametrize("keys", [[b"abc"], [b"abcd", b"abcdefgh"], [b"abcd", b"ab", b"abcdef"]])
def test_keys_that_cannot_lie_side_by_side_are_refused(keys):
    with pytest.raises(ValueError, match="one length, a multiple of 4"):
        partitions_of(keys, 3)
