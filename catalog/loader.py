"""Loads a catalogue: pictures into the bucket, then cohorts, then products to their topics.

In this order no reference dangles: a product that streams reads names an existing picture and known cohorts.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.broker.publisher import Outgoing, Publisher, outgoing
from bannerstream.catalog.folder import CatalogueFolder
from bannerstream.catalog.pictures import OnProgress, Stage, store_pictures
from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.settings.model import Settings
from bannerstream.storage import S3BannerStore

_SOURCE = "/catalog"
_BATCH = 500
"""Records acknowledged together: enough that waiting costs nothing, few enough that progress can be seen."""

_Record = TypeVar("_Record", Product, Cohort)


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that make a topic match the files."""

    published: tuple[str, ...]
    """Ids that are new or differ."""
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    """Ids that get a tombstone."""
    left: tuple[str, ...]
    """Ids on the topic and not in the files that stay, because `prune` is off."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Result of `load`."""

    cohorts: Changes
    products: Changes
    pictures_stored: int
    pictures_already_there: int


async def load(
    catalogue: CatalogueFolder,
    settings: Settings,
    on_progress: OnProgress | None = None,
    *,
    prune: bool = False,
    all_pictures: bool = False,
) -> LoadReport:
    """Make bucket and topics match the files. Loading the same files again changes nothing.

    Products and cohorts that are on the topics and not in the files stay, unless `prune`: then they get tombstones,
    products before the cohorts that they name. `all_pictures` stores pictures again that the bucket has: spoilt ones,
    and those that an earlier version stored without a checksum.

    Raises:
        CatalogueInvalid: pictures that cannot be used; nothing was published.
        broker.errors.TopicMissing: run `bannerstream topics create`.
        StorageError, ServiceUnavailable, ConfigurationError: bucket or broker; what was done so far stays, load again.
    """
    topics = settings.kafka.topic_table()
    store = S3BannerStore(settings.storage)
    try:
        await asyncio.to_thread(store.check)
        pictures = await store_pictures(catalogue, store, on_progress, again=all_pictures)
    finally:
        store.close()

    cohorts = {each.cohort_id: with_rev(each) for each in catalogue.cohorts}
    products = {
        product.product_id: with_rev(msgspec.structs.replace(product, image_key=pictures.keys.get(product.product_id)))
        for product in catalogue.products
    }
    cohorts_there = await read_compacted(settings.kafka, topics.cohorts.name, lambda value: decode(value, Cohort))
    products_there = await read_compacted(settings.kafka, topics.products.name, lambda value: decode(value, Product))
    cohort_changes = changes(cohorts, cohorts_there, prune=prune)
    product_changes = changes(products, products_there, prune=prune)

    now = time.time_ns() // 1_000_000
    async with Publisher(settings.kafka, client_id="bannerstream-catalog") as publisher:
        changed_cohorts = [cohorts[name] for name in cohort_changes.published]
        changed_products = [products[name] for name in product_changes.published]
        await _publish(publisher, "cohorts", _upserts(topics.cohorts.name, "cohort", changed_cohorts, now), on_progress)
        await _publish(
            publisher,
            "products",
            [
                *_upserts(topics.products.name, "product", changed_products, now),
                *_tombstones(topics.products.name, "product", product_changes.removed, now),
            ],
            on_progress,
        )
        await publisher.publish_all(_tombstones(topics.cohorts.name, "cohort", cohort_changes.removed, now))
    return LoadReport(cohort_changes, product_changes, pictures.stored, pictures.already_there)


def changes(desired: dict[str, _Record], current: dict[str, _Record], *, prune: bool) -> Changes:
    """Return what must be published for a topic that holds `current` to hold `desired`."""
    vanished = tuple(sorted(current.keys() - desired.keys()))
    return Changes(
        published=tuple(name for name, record in desired.items() if current.get(name) != record),
        unchanged=tuple(name for name, record in desired.items() if current.get(name) == record),
        removed=vanished if prune else (),
        left=() if prune else vanished,
    )


def _upserts(topic: str, kind: str, records: Sequence[Product | Cohort], now: int) -> list[Outgoing]:
    made = []
    for record in records:
        name = record.product_id if isinstance(record, Product) else record.cohort_id
        event = CloudEvent(id=f"{name}@{record.rev}", type=f"catalog.{kind}", source=_SOURCE, time=now, subject=name)
        made.append(outgoing(topic, name, record, event))
    return made


def _tombstones(topic: str, kind: str, names: Sequence[str], now: int) -> list[Outgoing]:
    return [
        Outgoing(
            topic,
            name.encode(),
            None,
            CloudEvent(
                id=f"{name}@removed-{now}", type=f"catalog.{kind}.removed", source=_SOURCE, time=now, subject=name
            ).headers(),
        )
        for name in names
    ]


async def _publish(publisher: Publisher, stage: Stage, records: list[Outgoing], on_progress: OnProgress | None) -> None:
    for start in range(0, len(records), _BATCH):
        await publisher.publish_all(records[start : start + _BATCH])
        if on_progress is not None:
            on_progress(stage, min(start + _BATCH, len(records)), len(records))
