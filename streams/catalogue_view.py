"""The catalogue and its refused products, read from three compacted topics and followed while the worker runs."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec

from bannerstream.broker.compacted_view import CompactedView
from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import Refusal
from bannerstream.contracts.refusals import refused_now
from bannerstream.settings import KafkaSettings
from bannerstream.streams.affinity import Catalogue


def _product(payload: bytes) -> Product:
    # A shop that writes the topic itself may leave `rev` out; a wrong one would keep an old banner for changed facts.
    return with_rev(msgspec.structs.replace(decode(payload, Product), rev=None))


def _cohort(payload: bytes) -> Cohort:
    return with_rev(msgspec.structs.replace(decode(payload, Cohort), rev=None))


def _refusal(payload: bytes) -> Refusal:
    return decode(payload, Refusal)


class CatalogueView:
    """Returns snapshots, a new one only after a change. Call `start` before use: it returns once all is read.

    Products that generators refused in their present revision are in it, and not on offer (`Catalogue.without`).
    `on_offered_again` is called when a refusal has been withdrawn.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        creative_revision: str,
        favourites: int = 0,
        on_offered_again: Callable[[], None] = lambda: None,
    ) -> None:
        topics = kafka.topic_table()
        self._products = CompactedView(kafka, topics.products.name, _product)
        self._cohorts = CompactedView(kafka, topics.cohorts.name, _cohort)
        self._refusals = CompactedView(kafka, topics.refusals.name, _refusal)
        self._creative_revision = creative_revision
        self._favourites = favourites
        self._on_offered_again = on_offered_again
        self._versions = (-1, -1)
        self._refusals_version = -1
        self._refused: set[str] = set()
        self._snapshot = Catalogue((), (), creative_revision=creative_revision)
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Read the topics to their current end and follow them from there.

        Raises:
            TopicMissing, ServiceUnavailable, ConfigurationError: see `broker.compacted_view.CompactedView`.
        """
        for view in (self._cohorts, self._products, self._refusals):
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
        products, cohorts, refusals = self._products.current(), self._cohorts.current(), self._refusals.current()
        versions = (self._products.version, self._cohorts.version)
        changed = versions != self._versions
        if changed:
            self._snapshot = Catalogue(
                products.values(),
                cohorts.values(),
                creative_revision=self._creative_revision,
                favourites=self._favourites,
            )
            self._versions = versions
        if changed or self._refusals.version != self._refusals_version:
            self._refusals_version = self._refusals.version
            refused = set(refused_now(products, refusals))
            before, self._refused = self._refused, refused
            if refused != self._snapshot.refused:
                self._snapshot = self._snapshot.without(refused)
            if before - refused:
                self._on_offered_again()
        return self._snapshot
