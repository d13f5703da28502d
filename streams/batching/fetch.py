"""Fetches records as batches, for the worker's consumer and for the changelog reader."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.types import TP

from bannerstream.streams.batching.compat import overrides_private
from bannerstream.streams.batching.records import Batch, take_batch

FETCH_WAIT_MS = 50
"""How long a broker may hold a fetch that finds nothing.

Faust hard-codes 1,500. aiokafka keeps one fetch in flight per broker: while a partition's records wait to be drained,
the next fetch covers only the other partitions, and an idle one holds it, and with it every partition, for that long.
"""


@overrides_private("aiokafka.consumer.fetcher:Fetcher.fetched_records", "e20ce0c8117f")
async def fetch_batches(
    consumer: AIOKafkaConsumer,
    partitions: Collection[Any] | None,
    timeout: float,  # noqa: ASYNC109  (as aiokafka has it)
) -> dict[TP, Batch]:
    """Return one batch for each of these partitions (None: all) that has one, or nothing after `timeout` seconds.

    Follows aiokafka's steps, with `records.take_batch` in place of `FetchResult.getall`.

    Raises:
        ConsumerStoppedError: the consumer was closed.
        KafkaError: a fetch failed; the next call continues.
    """
    fetcher: Any = consumer._fetcher  # noqa: SLF001
    if consumer._closed or fetcher._closed:  # noqa: SLF001
        raise ConsumerStoppedError
    subscriptions = fetcher._subscriptions  # noqa: SLF001
    with subscriptions.fetch_context():
        while True:
            if subscriptions.reassignment_in_progress:
                # The current assignment may be over: return none of its records.
                await subscriptions.wait_for_assignment()
            batches = _drain(fetcher, partitions)
            if batches or not timeout:
                return batches
            waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
            done, pending = await asyncio.wait([waiter], timeout=timeout)
            if not done or fetcher._closed:  # noqa: SLF001
                for future in pending:
                    future.cancel()
                return {}
            waiter.result()  # raises an authorization error


def _drain(fetcher: Any, partitions: Collection[Any] | None) -> dict[TP, Batch]:
    batches: dict[TP, Batch] = {}
    for fetched in list(fetcher._records):  # noqa: SLF001
        if partitions and fetched not in partitions:
            if not fetcher._subscriptions.is_assigned(fetched):  # noqa: SLF001
                del fetcher._records[fetched]  # noqa: SLF001
            continue
        result = fetcher._records[fetched]  # noqa: SLF001
        if type(result) is not FetchResult and batches:
            return batches  # the next call raises the error
        del fetcher._records[fetched]  # noqa: SLF001
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
        if type(result) is not FetchResult:
            result.check_raise()
            continue
        tp = TP(fetched.topic, fetched.partition)
        batch = take_batch(result, tp)
        if batch is not None:
            batches[tp] = batch
    return batches
