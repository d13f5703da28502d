"""Withdraws announced banners: nothing points to them from then on, and a later sweep removes their objects."""

import asyncio
import time
from collections.abc import Sequence

from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.settings.kafka import KafkaSettings
from bannerstream.storage import S3BannerStore
from bannerstream.upkeep.sweep_plan import StoredBanner

_SOURCE = "bannerstream/upkeep"
_BATCH = 100
"""Tombstones acknowledged together."""


async def withdraw_outdated(banners: Sequence[StoredBanner], store: S3BannerStore, kafka: KafkaSettings) -> None:
    """Write the tombstones of ready events; acknowledged, write the manifests again, so that their age begins again.

    Raises:
        ServiceUnavailable, ConfigurationError: broker or store; withdrawing again is safe.
    """
    topic = kafka.topic_table().ready.name
    async with Publisher(kafka, client_id="bannerstream-upkeep") as publisher:
        for start in range(0, len(banners), _BATCH):
            part = banners[start : start + _BATCH]
            await publisher.publish_all([tombstone(topic, banner.banner_key) for banner in part])
            for manifest in (banner.manifest for banner in part):
                if manifest is not None:
                    await asyncio.to_thread(store.put_manifest, manifest)


def tombstone(topic: str, banner_key: str) -> Outgoing:
    """Return the record by which edge and purger forget a banner: visitors get their cohort's default instead."""
    now = time.time_ns() // 1_000_000
    event = CloudEvent(
        id=f"{banner_key}:withdrawn-{now}", type="banner.withdrawn", source=_SOURCE, time=now, subject=banner_key
    )
    return Outgoing(topic, banner_key.encode(), None, event.headers())
