"""The partition of a key, as Kafka's own clients choose it: for many keys of one length at once.

aiokafka's partitioner takes 12 µs a key, which is more than everything else that leads to an assignment. Ours are
hashes in hex, all of one length, so that numpy can take them side by side.

Source: `org.apache.kafka.common.utils.Utils.murmur2` and `BuiltInPartitioner.partitionForKey` (Apache Kafka).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)


def partitions_of(keys: Sequence[bytes], partitions: int) -> list[int]:
    """Return each key's partition among so many.

    Raises:
        ValueError: the keys differ in length, or it is no multiple of 4.
    """
    if not keys:
        return []
    positive = murmur2(keys) & np.uint32(0x7FFFFFFF)
    chosen: list[int] = (positive % np.uint32(partitions)).tolist()
    return chosen


def murmur2(keys: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """Return the 32-bit MurmurHash2 of keys of one length, a multiple of 4 bytes; shape (len(keys),).

    Raises:
        ValueError: the keys differ in length, or it is no multiple of 4.
    """
    length = len(keys[0])
    if length % 4 or set(map(len, keys)) != {length}:
        raise ValueError(f"keys of one length, a multiple of 4 bytes, are needed; the first has {length}")
    words = np.frombuffer(b"".join(keys), dtype="<u4").reshape(len(keys), length // 4)
    hashed = np.full(len(keys), _SEED ^ length, dtype=np.uint32)
    for column in range(words.shape[1]):
        word = words[:, column] * _M
        word ^= word >> np.uint32(24)
        hashed = (hashed * _M) ^ (word * _M)
    hashed ^= hashed >> np.uint32(13)
    hashed *= _M
    hashed ^= hashed >> np.uint32(15)
    return hashed
