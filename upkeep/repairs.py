"""Requests broken banners again: finds what each was made of, and publishes a request that makes generators look.

A request is rebuilt from the catalogue where the catalogue still leads to the banner's key; else it is looked up among
the requests that the topic still holds. The key proves the request: it is the hash of everything that shapes a banner.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product as combinations

import structlog
from msgspec.structs import replace

from bannerstream.broker.connection import broker_errors
from bannerstream.broker.publisher import Outgoing, Publisher, outgoing
from bannerstream.broker.tail import partitions_of, read_to, reading
from bannerstream.contracts.catalog import Product
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerReady, BannerRequest
from bannerstream.settings import Settings
from bannerstream.settings.kafka import KafkaSettings
from bannerstream.upkeep.findings import Finding
from bannerstream.upkeep.pointers import Catalogue
from bannerstream.upkeep.withdrawals import tombstone

SOURCE = "bannerstream/storage-verify"
_POLL_MS = 200
_BATCH = 100
"""Records acknowledged together."""

_log = structlog.get_logger(__name__)


def broken_banners(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return, by banner key, the finding with the highest revision of each broken banner."""
    broken: dict[str, Finding] = {}
    for finding in findings:
        if finding.banner_key is None:
            continue
        known = broken.get(finding.banner_key)
        if known is None or known.revision < finding.revision:
            broken[finding.banner_key] = finding
    return broken


@dataclass(frozen=True, slots=True)
class Repairs:
    """What was done about broken banners: their keys, in order."""

    requested: tuple[str, ...] = ()
    """Requested again."""
    lost: tuple[str, ...] = ()
    """Nothing leads to them any more."""
    withdrawn: tuple[str, ...] = ()
    """Those of `lost` that were announced: pages would go on to show them broken."""


async def repair(
    findings: Iterable[Finding], catalogue: Catalogue, ready: Mapping[str, BannerReady], settings: Settings
) -> Repairs:
    """Request every broken banner again; withdraw an announced one that nothing leads to any more.

    Raises:
        ServiceUnavailable, ConfigurationError: the broker; repairing again is safe.
    """
    broken = broken_banners(findings)
    if not broken:
        return Repairs()
    requests = from_catalogue(broken, catalogue, settings)
    if unknown := broken.keys() - requests.keys():
        requests |= await from_topic(unknown, settings.kafka)
    requested = sorted(requests)
    lost = sorted(broken.keys() - requests.keys())
    withdrawn = [key for key in lost if key in ready]
    topics = settings.kafka.topic_table()
    records = [_repairing(topics.requests.name, requests[key], broken[key].revision) for key in requested]
    records += [tombstone(topics.ready.name, key) for key in withdrawn]
    async with Publisher(settings.kafka, client_id="bannerstream-upkeep") as publisher:
        for start in range(0, len(records), _BATCH):
            await publisher.publish_all(records[start : start + _BATCH])
    return Repairs(tuple(requested), tuple(lost), tuple(withdrawn))


def from_catalogue(broken: Mapping[str, Finding], catalogue: Catalogue, settings: Settings) -> dict[str, BannerRequest]:
    """Return the requests of broken banners that the catalogue as it is leads to, by banner key."""
    variants = {"a", *settings.experiments.variants, *_known(finding.variant for finding in broken.values())}
    revisions = {
        settings.generator.creative_revision,
        *_known(finding.creative_revision for finding in broken.values()),
    }
    found: dict[str, BannerRequest] = {}
    for product in _products_of(broken, catalogue.products):
        named = [catalogue.cohorts[name] for name in product.cohorts if name in catalogue.cohorts]
        for cohort, variant, revision in combinations(named, variants, revisions):
            key = banner_key(product, cohort, locale=product.locale, variant=variant, creative_revision=revision)
            if key in broken:
                found[key] = BannerRequest(
                    banner_key=key,
                    product=product,
                    cohort=cohort,
                    locale=product.locale,
                    variant=variant,
                    creative_revision=revision,
                    requested_at=0,
                    event_appended_at=0,
                )
    return found


async def from_topic(keys: Iterable[str], kafka: KafkaSettings) -> dict[str, BannerRequest]:
    """Return the latest request of each banner that the requests' topic still holds.

    Raises:
        TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.tail`.
    """
    wanted = {key.encode() for key in keys}
    found: dict[str, BannerRequest] = {}
    partitions = await partitions_of(kafka, kafka.topic_table().requests.name)
    async with reading(kafka, partitions, client_id="bannerstream-upkeep") as consumer:
        with broker_errors(kafka):
            async for fetched in read_to(consumer, await consumer.end_offsets(partitions), _POLL_MS):
                for record in (record for records in fetched.values() for record in records):
                    if record.key not in wanted or record.value is None:
                        continue
                    try:
                        request = decode(record.value, BannerRequest)
                    except InvalidRecord as error:
                        _log.warning("request_unreadable", banner_key=record.key.decode(), error=str(error))
                    else:
                        found[request.banner_key] = request
    return found


def _known(values: Iterable[str | None]) -> Iterator[str]:
    return (value for value in values if value is not None)


def _products_of(broken: Mapping[str, Finding], products: Mapping[str, Product]) -> list[Product]:
    """Return the products of broken banners: all, where a manifest that cannot be read was never announced."""
    named = {finding.product_id for finding in broken.values()}
    if None in named:
        return list(products.values())
    return [products[str(name)] for name in named if name in products]


def _repairing(topic: str, request: BannerRequest, revision: int) -> Outgoing:
    now = time.time_ns() // 1_000_000
    key = request.banner_key
    event = CloudEvent(id=f"{key}:repair-{revision}-{now}", type="banner.request", source=SOURCE, time=now, subject=key)
    repairing = replace(request, requested_at=now, event_appended_at=now, repairs_revision=revision)
    return outgoing(topic, key, repairing, event)
