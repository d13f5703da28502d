"""The catalogue, read from its two compacted topics and followed while the worker runs."""

from contextlib import AsyncExitStack

import msgspec

from bannerstream.broker.compacted_view import CompactedView
from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.codecs import decode
from bannerstream.settings import KafkaSettings
from bannerstream.streams.affinity import Catalogue


def _product(payload: bytes) -> Product:
    # A shop that writes the topic itself may leave `rev` out; a wrong one would keep an old banner for changed facts.
    return with_rev(msgspec.structs.replace(decode(payload, Product), rev=None))


def _cohort(payload: bytes) -> Cohort:
    return with_rev(msgspec.structs.replace(decode(payload, Cohort), rev=None))


class CatalogueView:
    """Returns snapshots, a new one only after a change. Call `start` before use: it returns once all is read."""

    def __init__(self, kafka: KafkaSettings, *, creative_revision: str, favourites: int = 0) -> None:
        topics = kafka.topic_table()
        self._products = CompactedView(kafka, topics.products.name, _product)
        self._cohorts = CompactedView(kafka, topics.cohorts.name, _cohort)
        self._creative_revision = creative_revision
        self._favourites = favourites
        self._versions = (-1, -1)
        self._snapshot = Catalogue((), (), creative_revision=creative_revision)
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Read both topics to their current end and follow them from there.

        Raises:
            TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.compacted_view.CompactedView`.
        """
        for view in (self._cohorts, self._products):
            await self._open.enter_async_context(view)
            await view.caught_up()

    async def stop(self) -> None:
        """Stop following."""
        await self._open.aclose()

    def current(self) -> Catalogue:
        """Return the current catalogue.

        Raises:
            ServiceUnavailable, ConfigurationError: following failed, so the catalogue may be outdated.
        """
        products, cohorts = self._products.current(), self._cohorts.current()
        versions = (self._products.version, self._cohorts.version)
        if versions != self._versions:
            self._snapshot = Catalogue(
                products.values(),
                cohorts.values(),
                creative_revision=self._creative_revision,
                favourites=self._favourites,
            )
            self._versions = versions
        return self._snapshot
