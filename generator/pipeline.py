"""The pipeline: look before you make, compose, store blobs, then the manifest.

The order of writing is what makes a banner whole (DESIGN.md §2): image blobs → manifest. The worker goes on from there:
ready event → offset commit. A crash between any two of them leaves at most blobs that nothing points to.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

import msgspec
import structlog

from contracts.catalog import content_rev
from contracts.errors import InvalidRecord
from contracts.keys import manifest_object_key
from contracts.manifest import Area, Block, Manifest
from contracts.messages import BannerRequest, Rendition
from contracts.sizes import BannerSize
from generator.composing import MAX_REASON, ComposedSet, Composer, Fallback, Job, description_key
from generator.errors import BlockedProduct
from generator.ports import BannerStore, EncodedImage, ProductImage, Screen
from generator.safety.screening import OpenScreen
from generator.stopwatch import Stopwatch

log = structlog.get_logger(__name__)

MANIFEST_REVISION = 1
"""A banner key names all that shapes a banner, so there is one revision of each: a repaint has another key."""


@dataclass(frozen=True, slots=True)
class MadeBanner:
    """A banner that can be fetched: its manifest and every blob it names are stored."""

    request: BannerRequest
    manifest: Manifest
    manifest_key: str
    reused: bool
    """It was there already."""
    failed_gates: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True)
class UnmakeableBanner:
    """A request that no painter can fulfil; it becomes a dead letter."""

    request: BannerRequest
    error: Exception

    @property
    def code(self) -> str:
        """Return the dead letter's code."""
        return self.error.code if isinstance(self.error, InvalidRecord) else "unmakeable"


class Pipeline:
    """Makes the banners of a batch of requests. Blocks; call it from a thread, one batch at a time.

    `executor` reads from and writes to the store for several banners at once; `now` is the clock, epoch milliseconds.
    Of a product that `screen` blocks nothing is made, until it comes in another revision.
    """

    def __init__(
        self,
        composer: Composer,
        store: BannerStore,
        executor: Executor,
        now: Callable[[], int],
        screen: Screen = OpenScreen(),  # noqa: B008  (it has no state)
    ) -> None:
        self.composer = composer
        self._store = store
        self._executor = executor
        self._now = now
        self._screen = screen

    def make(self, requests: Sequence[BannerRequest]) -> list[MadeBanner | UnmakeableBanner]:
        """Return, per request and in order, its banner or why there is none. Equal keys in a batch are made once.

        Raises:
            ServiceUnavailable: the store does not answer; making the same batch again is safe and skips what is done.
            ConfigurationError: the store refuses us.
        """
        distinct = {request.banner_key: request for request in requests}
        made: dict[str, MadeBanner | UnmakeableBanner] = {}
        for request, blocked in zip(distinct.values(), self._blocked(list(distinct.values())), strict=True):
            if blocked is not None:
                made[request.banner_key] = UnmakeableBanner(request, blocked)
        allowed = [request for key, request in distinct.items() if key not in made]
        found = self._executor.map(self._store.manifest, [request.banner_key for request in allowed])
        for request, manifest in zip(allowed, list(found), strict=True):
            if manifest is not None:
                key = manifest_object_key(request.banner_key)
                made[request.banner_key] = MadeBanner(request, manifest, key, reused=True)
        new = [request for request in allowed if request.banner_key not in made]
        for request, outcome in zip(new, self._make_new(new), strict=True):
            made[request.banner_key] = outcome
        return [_for(request, made[request.banner_key]) for request in requests]

    def _make_new(self, requests: Sequence[BannerRequest]) -> list[MadeBanner | UnmakeableBanner]:
        if not requests:
            return []
        prepared = list(self._executor.map(self._job, requests))
        jobs = [each for each in prepared if isinstance(each, Job)]
        stored = self._executor.map(self._store_one, jobs, self.composer.compose_all(jobs))
        outcomes = {outcome.request.banner_key: outcome for outcome in stored}
        return [
            UnmakeableBanner(request, each) if isinstance(each, BlockedProduct) else outcomes[request.banner_key]
            for request, each in zip(requests, prepared, strict=True)
        ]

    def _blocked(self, requests: Sequence[BannerRequest]) -> list[BlockedProduct | None]:
        """Return, per request, why its product is blocked: by its words now, or by any gate before."""
        products = {request.product.product_id for request in requests}
        kept = dict(zip(products, self._executor.map(self._store.block, products), strict=True))
        return [self._blocked_one(request, kept[request.product.product_id]) for request in requests]

    def _blocked_one(self, request: BannerRequest, kept: Block | None) -> BlockedProduct | None:
        if kept is not None and kept.product_rev == _rev(request):
            return BlockedProduct(kept.reason)
        reason = self._screen.by_words(request.product)
        return self._block(request, "words", reason) if reason is not None else None

    def _block(self, request: BannerRequest, gate: Literal["words", "picture"], reason: str) -> BlockedProduct:
        """Record that this revision of the product is blocked."""
        product_id = request.product.product_id
        log.warning("product_blocked", product_id=product_id, gate=gate, reason=reason)
        block = Block(
            product_id=product_id,
            product_rev=_rev(request),
            gate=gate,
            reason=reason[:MAX_REASON],
            blocked_at=self._now(),
        )
        self._store.put_block(block)
        return BlockedProduct(block.reason)

    def _job(self, request: BannerRequest) -> Job | BlockedProduct:
        image = self._product_image(request)
        reason = self._screen.by_picture(image) if image is not None else None
        if reason is not None:
            return self._block(request, "picture", reason)
        kept = self._store.description(self._description_key(request))
        return Job(request, image, kept)

    def _product_image(self, request: BannerRequest) -> ProductImage | None:
        """Return the product's picture; without one, the banner is typographic."""
        image_key = request.product.image_key
        found = self._store.product_image(image_key) if image_key is not None else None
        if found is None:
            if image_key is not None:
                log.warning("product_image_missing", image_key=image_key, product_id=request.product.product_id)
            return None
        pixels, cut_out = found
        return ProductImage(pixels, cut_out)

    def _description_key(self, request: BannerRequest) -> str:
        return description_key(_rev(request), self.composer.describer_revision)

    def _store_one(self, job: Job, composed: ComposedSet | Exception) -> MadeBanner | UnmakeableBanner:
        if isinstance(composed, Exception):
            log.error("banner_unmakeable", banner_key=job.request.banner_key, error=repr(composed))
            return UnmakeableBanner(job.request, composed)
        # What stood in for a describer that was down is not kept: the next banner asks the describer again.
        if job.description is None and Fallback("describer", "failed") not in composed.fallbacks:
            self._store.put_description(self._description_key(job.request), composed.description)
        watch = Stopwatch()
        with watch.stage("store"):
            renditions = tuple(
                self._stored(picture.size, file) for picture in composed.pictures for file in picture.files
            )
        manifest = manifest_of(job.request, composed, renditions, created_at=self._now())
        manifest = msgspec.structs.replace(manifest, stage_ms=composed.stage_ms | watch.milliseconds)
        key = self._store.put_manifest(manifest)
        return MadeBanner(
            job.request, manifest, key, reused=False, failed_gates=composed.failed_gates, fallbacks=composed.fallbacks
        )

    def _stored(self, size: BannerSize, file: EncodedImage) -> Rendition:
        return Rendition(
            size=size.name,
            blob_key=self._store.put_blob(file.content, file.media_type),
            width=size.width,
            height=size.height,
            bytes=len(file.content),
            sha256=hashlib.sha256(file.content).hexdigest(),
            media_type=file.media_type,
        )


def manifest_of(
    request: BannerRequest, composed: ComposedSet, renditions: tuple[Rendition, ...], created_at: int
) -> Manifest:
    """Return what is to be said about a banner whose files are stored as `renditions`."""
    return Manifest(
        banner_key=request.banner_key,
        revision=MANIFEST_REVISION,
        product_id=request.product.product_id,
        product_rev=_rev(request),
        cohort_id=request.cohort.cohort_id,
        cohort_rev=request.cohort.rev or content_rev(request.cohort),
        locale=request.locale,
        variant=request.variant,
        creative_revision=request.creative_revision,
        description=composed.description,
        words=composed.words,
        provenance=composed.provenance,
        seed=composed.seed,
        templates={picture.size.name: picture.template for picture in composed.pictures},
        gates=tuple(score for picture in composed.pictures for score in picture.gates),
        renditions=renditions,
        stage_ms=composed.stage_ms,
        created_at=created_at,
        rejected=composed.rejected,
        products={
            picture.size.name: Area(box.x, box.y, box.width, box.height)
            for picture in composed.pictures
            if (box := picture.product) is not None
        },
    )


def _rev(request: BannerRequest) -> str:
    return request.product.rev or content_rev(request.product)


def _for(request: BannerRequest, outcome: MadeBanner | UnmakeableBanner) -> MadeBanner | UnmakeableBanner:
    """Return a batch's outcome for one of several requests of the same banner."""
    return outcome if outcome.request is request else dataclasses.replace(outcome, request=request)
