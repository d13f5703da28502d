"""What points to banners: ready events, visitors' assignments, and the catalogue that streams requests from."""

import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import Assignment, BannerReady
from bannerstream.settings.kafka import KafkaSettings


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products and cohorts by their ids."""

    products: Mapping[str, Product]
    cohorts: Mapping[str, Cohort]


@dataclass(frozen=True, slots=True)
class Pointers:
    """The banners that pages may show."""

    ready: Mapping[str, BannerReady]
    """By banner key."""
    assigned: Set[str]
    """Keys of the banners that visitors are assigned to, ready or not."""


async def read_catalogue(kafka: KafkaSettings) -> Catalogue:
    """Return the catalogue as its topics have it.

    Raises:
        TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.compacted_view`.
    """
    topics = kafka.topic_table()
    return Catalogue(
        await read_compacted(kafka, topics.products.name, lambda value: decode(value, Product)),
        await read_compacted(kafka, topics.cohorts.name, lambda value: decode(value, Cohort)),
    )


async def read_ready(kafka: KafkaSettings) -> dict[str, BannerReady]:
    """Return every ready event, by banner key.

    Raises:
        TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.compacted_view`.
    """
    return await read_compacted(kafka, kafka.topic_table().ready.name, lambda value: decode(value, BannerReady))


async def read_pointers(kafka: KafkaSettings) -> Pointers:
    """Return what points to banners now: assignments first, so that a banner on its way to pages is in one of the two.

    Raises:
        TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.compacted_view`.
    """
    assignments = await read_compacted(kafka, kafka.topic_table().assignments.name, _assigned_key)
    return Pointers(await read_ready(kafka), frozenset(assignments.values()))


def _assigned_key(value: bytes) -> str:
    return sys.intern(decode(value, Assignment).banner_key)  # many visitors share a banner
