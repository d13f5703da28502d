"""The Faust table: Faust names, co-partitions and assigns it; this package stores, restores and writes it."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from faust.stores.base import Store
from faust.tables.table import Table
from faust.types import TP, EventT

from bannerstream.streams.batching.compat import overrides_private
from bannerstream.streams.batching.state_store import StateStore
from bannerstream.streams.batching.store import MAX_DECODED, Partitions

NOT_A_MAPPING = "read and write states through table.partitions_here[partition], in the agent that folds that partition"


class WriteBehindStore(Store[bytes, bytes]):
    """Faust's store interface over `Partitions`."""

    logger = logging.getLogger("faust.stores")  # Faust would log under this module's name otherwise
    app: Any  # a `BatchApp`
    table: "WriteBehindTable"

    @overrides_private("faust.stores.base:Store.persisted_offset", "732e51549cb1")
    def persisted_offset(self, tp: TP) -> int | None:
        """Return None: `recovery` reads the offsets from the partitions themselves."""
        del tp
        return None

    @overrides_private("faust.stores.base:Store.on_rebalance", "9e0734fd1e93")
    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop revoked partitions: another worker writes them now."""
        del revoked, newly_assigned, generation_id
        changelog = self.table.changelog_topic_name
        partitions = self.table.partitions_here
        kept = {tp.partition for tp in assigned if tp.topic == changelog}
        partitions.drop(partition for partition in partitions if partition not in kept)
        # Nothing is folded in a rebalance. States that could not be flushed before it are folded again.
        partitions.roll_back()
        self.app.checkpointer.forget_deferred()

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]], to_key: Any, to_value: Any) -> None:
        """Do nothing: `recovery` reads the changelog."""

    def reset_state(self) -> None:
        """Drop everything in memory."""
        self.table.partitions_here.drop(self.table.partitions_here)

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """Do nothing: the changelog is the only source of truth."""

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """Do nothing: the changelog is the only source of truth."""

    def __len__(self) -> int:
        return len(self.table.partitions_here)

    def _clear(self) -> None:
        self.reset_state()

    def __iter__(self) -> Iterator[bytes]:
        raise TypeError(NOT_A_MAPPING)

    def __getitem__(self, key: bytes) -> bytes:
        raise TypeError(NOT_A_MAPPING)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise TypeError(NOT_A_MAPPING)

    def __delitem__(self, key: bytes) -> None:
        raise TypeError(NOT_A_MAPPING)


class WriteBehindTable(Table[bytes, bytes]):
    """A table of states. Read and write them through `partitions_here[partition]`."""

    logger = logging.getLogger("faust.tables")

    def __init__(
        self,
        app: Any,
        *,
        open_states: Callable[[int], StateStore],
        max_decoded: int = MAX_DECODED,
        **kwargs: Any,
    ) -> None:
        self.partitions_here: Partitions[Any] = Partitions(open_states, max_decoded=max_decoded)
        super().__init__(app, key_type=bytes, value_type=bytes, **kwargs)

    @overrides_private("faust.tables.base:Collection._new_store", "0cad007da65f")
    def _new_store(self) -> WriteBehindStore:
        return WriteBehindStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    @overrides_private("faust.tables.base:Collection.on_start", "818773d64c11")
    async def on_start(self) -> None:
        """Start the store. The operator creates the changelog topic: Faust would create it with one replica."""
        await self.add_runtime_dependency(self.data)
