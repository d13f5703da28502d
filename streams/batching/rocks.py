"""Packed states on disk, for tables that outgrow memory: RocksDB, through the package rocksdict.

The disk holds a prefix of the changelog and the offset that it reaches; each batch of changes and its offset are one
atomic write. A restarted worker reads only the records after that offset, also after a SIGKILL.
"""

import shutil
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

REACHED = b"\x00reached"
"""Key of the offset and the time of the last change. No table key begins with a zero byte: they are text."""

_STAMP = struct.Struct(">qq")

MAX_AGE_S = 3 * 86_400
"""A folder older than this is discarded. The changelog drops tombstones after a week (`delete.retention.ms`), so an
older folder could keep a visitor who was erased meanwhile."""

MEMTABLE_BYTES = 8 << 20
CACHE_BYTES = 16 << 20
"""Memory per partition: two memtables and a block cache, 32 MB at most for any table size."""


class RocksStore:
    """The packed states of one partition, in its own RocksDB. See `store.PackedStore`."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._open()
        stamp = self._stamp()
        if stamp is not None and self._clock() - stamp[1] > MAX_AGE_S:
            self.clear()

    def _open(self) -> None:
        from rocksdict import Rdict  # noqa: PLC0415  (only for streams.store = "rocksdb")

        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._db = Rdict(str(self._folder), _options())
        self.get = self._db.get

    def update(self, changes: Iterable[tuple[bytes, bytes | None]], reached: int) -> None:
        """See `store.PackedStore`: one atomic write."""
        from rocksdict import WriteBatch  # noqa: PLC0415

        batch = WriteBatch(raw_mode=True)
        for key, packed in changes:
            if packed is None:
                batch.delete(key)
            else:
                batch.put(key, packed)
        batch.put(REACHED, _STAMP.pack(reached, int(self._clock())))
        self._db.write(batch)

    def reached(self) -> int | None:
        """See `store.PackedStore`."""
        stamp = self._stamp()
        return None if stamp is None else stamp[0]

    def _stamp(self) -> tuple[int, int] | None:
        packed = self._db.get(REACHED)
        return None if packed is None else _STAMP.unpack(packed)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """See `store.PackedStore`: a snapshot, so that folding can continue meanwhile."""
        items: Iterator[tuple[Any, Any]] = iter(self._db.snapshot().items())
        return ((key, packed) for key, packed in items if key != REACHED)

    def of_prefix(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `store.PackedStore`: reads no other keys."""
        items: Iterator[tuple[Any, Any]] = iter(self._db.snapshot().items(from_key=prefix))
        return takewhile(lambda item: item[0].startswith(prefix), items)

    def __len__(self) -> int:
        """Return an estimate: RocksDB does not keep a count."""
        return max(0, (self._db.property_int_value("rocksdb.estimate-num-keys") or 0) - 1)

    def clear(self) -> None:
        """See `store.PackedStore`."""
        self.close()
        shutil.rmtree(self._folder)
        self._open()

    def close(self) -> None:
        """See `store.PackedStore`."""
        self._db.close()


def _options() -> Any:
    from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options  # noqa: PLC0415

    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_compression_type(DBCompressionType.lz4())
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(CACHE_BYTES))
    blocks.set_bloom_filter(10, False)  # new visitors are the most common miss: 1 % of them read the disk
    options.set_block_based_table_factory(blocks)
    return options
