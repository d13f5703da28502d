"""Faust in batches: one message per fetch and partition, one changelog record per changed key and flush.

A transport for Faust apps that fold many small events into a table. Stock Faust handles a record at a time and writes a
changelog record for each: some 3,000 events a second. This folds hundreds of thousands, and loses nothing:

    brokers ─> thread ──Batch──> agent ──get/put──> Partition ──┐
                 (fetching)      (yours)              (store)   │ flush, urgent keys
                                    └─submit─> Checkpointer <─┘
                                                  └─> one transaction: states, effects, offsets
    changelog ─> ChangelogReader ─> Partition

One file each: `records` and `fetch` (batches out of fetches), `thread` and `consumer` (Faust's consumer), `positions`
(which offsets may be committed), `state_store` and `store` (the
states of a partition: what batching needs of them, and the usual ones), `checkpointer` (what is written when),
`rounds` and `transactions` (what is written together), `bulk_producer` (bulk writes), `changelog_reader` and `recovery`
(changelogs back into memory), `app` (the wiring),
`lean_faust` (Faust without its web), `compat` (the library versions this was written for).

Knows nothing of banners: it imports Faust, aiokafka and mode, and no other room. See docs/batching.md.
"""

import bannerstream.streams.batching.lean_faust  # noqa: F401  (before anything else imports Faust)

# isort: split
from bannerstream.streams.batching.app import BatchApp
from bannerstream.streams.batching.bulk_producer import BulkProducer, OutgoingRecord, Write
from bannerstream.streams.batching.checkpointer import Checkpoint, Checkpointer, Conclusion
from bannerstream.streams.batching.errors import WriteAborted
from bannerstream.streams.batching.records import Batch, RawRecord
from bannerstream.streams.batching.rocks import RocksStore
from bannerstream.streams.batching.state_store import StateStore
from bannerstream.streams.batching.store import (
    Codec,
    MemoryStore,
    PackedStore,
    Partition,
    Partitions,
    decoded_states,
)

__all__ = [
    "Batch",
    "BatchApp",
    "BulkProducer",
    "Checkpoint",
    "Checkpointer",
    "Codec",
    "Conclusion",
    "MemoryStore",
    "OutgoingRecord",
    "PackedStore",
    "Partition",
    "Partitions",
    "RawRecord",
    "RocksStore",
    "StateStore",
    "Write",
    "WriteAborted",
    "decoded_states",
]
