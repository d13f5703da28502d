"""Visitors' profiles for the panel, kept up to date from the topics: affinities, decisions, the current banner."""

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec

from bannerstream.broker.compacted_view import CompactedView
from bannerstream.broker.topics import changelog_name
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import Assignment
from bannerstream.demo.shop.reasons import shares, why
from bannerstream.demo.shop.shop_catalogue import ShopCatalogue
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.streams.affinity.state import UserState, unpack

DECISIONS_SHOWN = 5


class Share(msgspec.Struct, frozen=True):
    """One cohort's share of a visitor's affinity."""

    cohort_id: str
    name: str
    share: float


class Decision(msgspec.Struct, frozen=True):
    """One decision."""

    epoch: int
    product_id: str
    product: str
    cohort: str
    colour: str
    at: int


class PaintedBanner(msgspec.Struct, frozen=True):
    """How the current banner was made."""

    banner_key: str
    headline: str
    engine: str
    scene: str
    took_ms: int
    made_at: int


class SuppressedProduct(msgspec.Struct, frozen=True):
    """A purchased product, and until when it is not advertised."""

    product: str
    until: int


class VisitorProfile(msgspec.Struct, frozen=True):
    """Everything that the panel shows about a visitor."""

    visitor: str
    """The first digits of the user key."""
    affinities: list[Share]
    why: list[str] = []
    decisions: list[Decision] = []
    """Latest first."""
    painted: PaintedBanner | None = None
    """None if no banner is assigned, or it is still in production."""
    suppressed: list[SuppressedProduct] = []


class VisitorProfiles:
    """Follows the affinity changelog and the assignments; an async context manager."""

    def __init__(self, settings: Settings, catalogue: ShopCatalogue) -> None:
        kafka = settings.kafka
        self._catalogue = catalogue
        self._store = S3BannerStore(settings.storage)
        self._decisions: dict[str, deque[Assignment]] = {}
        self._manifests: dict[str, Manifest] = {}
        self._states = CompactedView(kafka, changelog_name(settings.streams.app_id), unpack)
        self._assigned = CompactedView(kafka, kafka.topic_table().assignments.name, self._read_assignment)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect and read both topics to their ends.

        Raises:
            TopicMissing, ServiceUnavailable, ConfigurationError: see `CompactedView`.
        """
        for view in (self._states, self._assigned):
            await self._running.enter_async_context(view)
            await view.caught_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()
        self._store.close()

    async def profile(self, user_key: str) -> VisitorProfile:
        """Return a visitor's profile; an unknown visitor has an empty one."""
        state = self._states.current().get(user_key)
        if user_key not in self._assigned.current():
            self._decisions.pop(user_key, None)  # erased, or never assigned anything
        decisions = list(self._decisions.get(user_key, ()))
        return VisitorProfile(
            visitor=user_key[:8],
            affinities=self._affinities({} if state is None else shares(state)),
            why=why(state, decisions[-1], self._catalogue) if state is not None and decisions else [],
            decisions=[self._decision(decision) for decision in reversed(decisions)],
            painted=await self._painted_banner(decisions[-1].banner_key) if decisions else None,
            suppressed=[] if state is None else self._suppressed(state),
        )

    def _read_assignment(self, value: bytes) -> Assignment:
        """Decode an assignment and add it to the visitor's latest ones; a repeat is ignored."""
        assignment = decode(value, Assignment)
        known = self._decisions.setdefault(assignment.user_key, deque(maxlen=DECISIONS_SHOWN))
        if not known or assignment.epoch > known[-1].epoch:
            known.append(assignment)
        return assignment

    def _affinities(self, parts: dict[str, float]) -> list[Share]:
        return [
            Share(cohort.cohort_id, cohort.name, round(parts.get(cohort.cohort_id, 0.0), 4))
            for cohort in self._catalogue.cohorts.values()
        ]

    def _decision(self, assignment: Assignment) -> Decision:
        cohort = self._catalogue.cohorts[assignment.cohort_id]
        return Decision(
            epoch=assignment.epoch,
            product_id=assignment.product_id,
            product=self._catalogue.title(assignment.product_id),
            cohort=cohort.name,
            colour=cohort.palette[-1],
            at=assignment.decided_at,
        )

    async def _painted_banner(self, banner_key: str) -> PaintedBanner | None:
        manifest = self._manifests.get(banner_key) or await asyncio.to_thread(self._store.manifest, banner_key)
        if manifest is None:
            return None
        self._manifests[banner_key] = manifest
        return PaintedBanner(
            banner_key,
            manifest.words.headline,
            manifest.provenance.engine,
            manifest.provenance.scene or manifest.description.setting,
            round(sum(manifest.stage_ms.values())),
            manifest.created_at,
        )

    def _suppressed(self, state: UserState) -> list[SuppressedProduct]:
        return [
            SuppressedProduct(self._catalogue.title(product_id), state.landmark_ms + until)
            for product_id, until in state.purchased.items()
        ]
