"""The affinity table: packed states by partition, recovered by Faust from the changelog, written by the outbox."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from faust.stores.base import Store
from faust.tables.table import Table
from faust.types import TP, EventT

from streams.batch import StateKey


class AffinityStore(Store[StateKey, bytes]):
    """States in memory as the changelog holds them, apart by partition, so that one that is given up can be dropped.

    Faust's own in-memory store knows keys only: it would keep what it once had of a partition that another worker has
    moved on since, and it reads the whole changelog anew after every rebalance.
    """

    logger = logging.getLogger("faust.stores")  # else Faust's own chatter would come under our name

    def __post_init__(self) -> None:
        self.partitions: dict[int, dict[str, bytes]] = {}
        self._offsets: dict[int, int] = {}

    def packed(self, key: StateKey) -> bytes | None:
        """Return a visitor's packed state, or None for a new visitor."""
        return self.partitions.get(key.partition, {}).get(key.user_key)

    def put(self, key: StateKey, packed: bytes, changelog_offset: int) -> None:
        """Keep a state that the changelog has acknowledged at this offset."""
        self.partitions.setdefault(key.partition, {})[key.user_key] = packed
        self._offsets[key.partition] = max(changelog_offset, self._offsets.get(key.partition, -1))

    def __len__(self) -> int:
        return sum(map(len, self.partitions.values()))

    # What Faust's recovery calls:

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Take over records of the changelog: bytes as they are."""
        del to_key, to_value
        for event in batch:
            message = event.message
            states = self.partitions.setdefault(message.partition, {})
            user_key = (message.key or b"").decode()
            if message.value is None:
                states.pop(user_key, None)
            else:
                states[user_key] = message.value
            self._offsets[message.partition] = message.offset

    def persisted_offset(self, tp: TP) -> int | None:
        """Return the last changelog offset that is in memory: recovery goes on after it."""
        return self._offsets.get(tp.partition)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop partitions that were given up: another worker writes them now."""
        del assigned, newly_assigned, generation_id
        for tp in revoked:
            if tp.topic == self.table.changelog_topic.get_topic_name():
                self.partitions.pop(tp.partition, None)
                self._offsets.pop(tp.partition, None)

    def reset_state(self) -> None:
        """Forget everything."""
        self.partitions.clear()
        self._offsets.clear()

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """Do nothing: the changelog is the only copy that counts."""

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """Do nothing: the changelog is the only copy that counts."""

    # What Faust's mapping interface asks for; nothing here goes through it.

    def _clear(self) -> None:
        self.reset_state()

    def __iter__(self) -> Iterator[StateKey]:
        return (StateKey(partition, key) for partition, states in self.partitions.items() for key in states)

    def __getitem__(self, key: StateKey) -> bytes:
        found = self.packed(key)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: StateKey, value: bytes) -> None:
        raise TypeError("states are written by the outbox, which waits for the changelog's acknowledgement")

    def __delitem__(self, key: StateKey) -> None:
        raise TypeError("states are written by the outbox, which waits for the changelog's acknowledgement")


class AffinityTable(Table[StateKey, bytes]):
    """A Faust table for its recovery and co-partitioning; reads and writes go to `data`, the store."""

    logger = logging.getLogger("faust.tables")

    def _new_store(self) -> AffinityStore:
        return AffinityStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    async def on_start(self) -> None:
        """Start the store. The changelog topic is made by `streams.topics`, never declared by Faust."""
        await self.add_runtime_dependency(self.data)
