"""The pipeline: look up what is stored, compose what is missing, store the blobs, then the manifest.

The order of writes keeps a banner whole (docs/architecture.md): image blobs → manifest. The worker continues with the
ready event, then the offset commit. A crash between two of these steps leaves at most blobs that nothing points to.

A progressive banner has two tiers under one key: a preview by the studio, whose manifest is provisional, and the
model's banner, whose manifest replaces it under the next revision. A provisional manifest counts as made for a preview
request and as not made for a banner request, so a crash between the tiers makes the second tier again.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Literal, cast

import msgspec
import structlog

from bannerstream.contracts.catalog import content_rev
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.keys import manifest_object_key
from bannerstream.contracts.manifest import Area, Manifest, shows_product
from bannerstream.contracts.messages import BannerRequest, Refusal, Rendition
from bannerstream.contracts.refusals import GATE_CODES
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.errors import BlockedProduct, NoFontForScript, PictureUnreadable
from bannerstream.generator.gates.screening import OpenScreen
from bannerstream.generator.pipeline.composer import ComposedSet, Composer, Job
from bannerstream.generator.pipeline.fallbacks import Fallback
from bannerstream.generator.pipeline.ports import BannerStore, EncodedImage, ProductImage, Screen
from bannerstream.generator.pipeline.stopwatch import Stopwatch
from bannerstream.service.health import Health
from bannerstream.storage.errors import SpoiltObject

log = structlog.get_logger(__name__)

FIRST_REVISION = 1
"""A banner key covers everything that shapes a banner: only after a preview or a repair there is a second revision."""


@dataclass(frozen=True, slots=True)
class MadeBanner:
    """A banner that can be fetched: its manifest and every blob it names are stored."""

    request: BannerRequest
    manifest: Manifest
    manifest_key: str
    reused: bool
    """The store had it already."""
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


BannerOutcome = MadeBanner | UnmakeableBanner
_Composed = tuple[Job, ComposedSet | Exception]
_LookedUp = list[tuple[BannerRequest, Manifest | None]]
"""Requests, each with the manifest that the store already holds."""


class Pipeline:
    """Makes the banners of a batch of requests. Blocks; call it from threads, each with its own batch.

    `executor` reads from and writes to the store for several banners at once; `now` is the clock, epoch milliseconds.
    `preview_composer` composes previews; None turns them off. `health` records that the process must end. A product
    that `screen` blocks gets no banner and no preview; neither does a request of which `refused` returns a refusal.
    """

    def __init__(
        self,
        composer: Composer,
        store: BannerStore,
        executor: Executor,
        now: Callable[[], int],
        *,
        preview_composer: Composer | None = None,
        health: Health | None = None,
        screen: Screen = OpenScreen(),  # noqa: B008  (it has no state)
        refused: Callable[[BannerRequest], Refusal | None] = lambda _: None,
    ) -> None:
        self.composer = composer
        self.preview_composer = preview_composer
        self.health = health or Health()
        self.refused = refused
        self.store = store
        self._executor = executor
        self._now = now
        self._screen = screen

    def make(self, requests: Sequence[BannerRequest]) -> list[BannerOutcome]:
        """Return, per request and in order, its banner or why there is none. Equal keys in a batch are made once.

        Raises:
            ServiceUnavailable: the store does not answer; making the same batch again is safe and skips what is done.
            ConfigurationError: the store rejects our credentials or the bucket.
        """
        outcomes, looked_up = self._look_up(requests)
        to_make: list[BannerRequest] = []
        previews: list[Manifest | None] = []
        for request, manifest in looked_up:
            if manifest is not None and not manifest.provisional:
                outcomes[request.banner_key] = _reused(request, manifest)
            else:
                to_make.append(request)
                previews.append(manifest)
        storing: list[Future[BannerOutcome]] = []
        for (job, composed), preview in zip(self._compose(self.composer, to_make), previews, strict=True):
            storing.append(self._executor.submit(self._store_banner, job, composed, preview))
        outcomes |= _stored(storing)
        return [_for(request, outcomes[request.banner_key]) for request in requests]

    def preview(self, requests: Sequence[BannerRequest]) -> list[BannerOutcome]:
        """Return, per request and in order, what can be shown at once: the banner if there is one, else a preview.

        Raises:
            ServiceUnavailable: the store does not answer; previewing the same batch again is safe.
            ConfigurationError: the store rejects our credentials or the bucket.
        """
        if self.preview_composer is None:
            raise ValueError("this pipeline has no preview composer")
        outcomes, looked_up = self._look_up(requests)
        to_preview: list[BannerRequest] = []
        for request, manifest in looked_up:
            if manifest is not None:
                outcomes[request.banner_key] = _reused(request, manifest)
            else:
                to_preview.append(request)
        storing: list[Future[BannerOutcome]] = []
        for job, composed in self._compose(self.preview_composer, to_preview):
            storing.append(self._executor.submit(self._store_preview, job, composed))
        outcomes |= _stored(storing)
        return [_for(request, outcomes[request.banner_key]) for request in requests]

    def _look_up(self, requests: Sequence[BannerRequest]) -> tuple[dict[str, BannerOutcome], _LookedUp]:
        """Return the outcomes of blocked products by banner key, and the other distinct requests with manifests."""
        distinct = {request.banner_key: request for request in sorted(requests, key=_repairs_revision)}
        blocked = self._blocked(list(distinct.values()))
        allowed = [request for key, request in distinct.items() if key not in blocked]
        return blocked, list(zip(allowed, self._executor.map(self._kept, allowed), strict=True))

    def _kept(self, request: BannerRequest) -> Manifest | None:
        """Return the manifest of a banner that is there; for a repair, only of one whose parts are whole."""
        manifest = self.store.manifest(request.banner_key)
        if manifest is None or not request.repairs_revision:
            return manifest
        whole = shows_product(manifest, request.product) and self.store.has_blobs(manifest)
        return manifest if whole else None

    def _compose(self, composer: Composer, requests: Sequence[BannerRequest]) -> list[_Composed]:
        """Compose every request; one whose product is refused or has no readable picture yields the error."""
        jobs = list(self._executor.map(self._job, requests))
        composed = iter(composer.compose_all([job for job, refused in jobs if refused is None]))
        return [(job, next(composed) if refused is None else refused) for job, refused in jobs]

    def _job(self, request: BannerRequest) -> tuple[Job, Exception | None]:
        refusal = self.refused(request)
        if refusal is not None and refusal.code == "letters":
            return Job(request, None), NoFontForScript(refusal.reason, refusal.letters)
        try:
            image = self._product_image(request)
        except PictureUnreadable as error:
            return Job(request, None), error
        reason = self._screen.by_picture(image) if image is not None else None
        return Job(request, image), None if reason is None else _blocked(request, "picture", reason)

    def _blocked(self, requests: Sequence[BannerRequest]) -> dict[str, BannerOutcome]:
        """Return, by banner key, the requests whose product is blocked: by its words now, or by any gate before."""
        blocked: dict[str, BannerOutcome] = {}
        for request in requests:
            block = self._blocked_one(request)
            if block is not None:
                blocked[request.banner_key] = UnmakeableBanner(request, block)
        return blocked

    def _blocked_one(self, request: BannerRequest) -> BlockedProduct | None:
        refusal = self.refused(request)
        if refusal is not None and refusal.code in GATE_CODES:
            return BlockedProduct(refusal.reason, cast("Literal['words', 'picture']", refusal.code))
        reason = self._screen.by_words(request.product)
        return _blocked(request, "words", reason) if reason is not None else None

    def _product_image(self, request: BannerRequest) -> ProductImage | None:
        """Return the product's picture; a banner of a product whose record names none is typographic.

        Raises:
            PictureUnreadable: the record names one, and the store has none or a spoilt one. A banner without it would
                hide for good that the store failed.
        """
        image_key = request.product.image_key
        if image_key is None:
            return None
        try:
            found = self.store.product_image(image_key)
        except SpoiltObject as error:
            raise PictureUnreadable(str(error)) from error
        if found is None:
            raise PictureUnreadable(f"{image_key} is not in the bucket: load the catalogue again")
        pixels, cut_out = found
        return ProductImage(pixels, cut_out)

    def _store_banner(
        self, job: Job, composed: ComposedSet | Exception, preview: Manifest | None = None, *, provisional: bool = False
    ) -> BannerOutcome:
        """Store a finished banner, in the place of its preview where there is one."""
        if isinstance(composed, BlockedProduct | NoFontForScript):  # the worker logs what it refuses
            return UnmakeableBanner(job.request, composed)
        if isinstance(composed, Exception):
            log.error("banner_unmakeable", banner_key=job.request.banner_key, error=repr(composed))
            return UnmakeableBanner(job.request, composed)
        if preview is not None and any(fallback.port == "painter" for fallback in composed.fallbacks):
            manifest = _promoted(preview, composed, created_at=self._now())
        else:
            latest = job.request.repairs_revision if preview is None else preview.revision
            revision = max(FIRST_REVISION, latest + 1)
            manifest = self._with_blobs(job, composed, revision=revision, provisional=provisional)
        key = self.store.put_manifest(manifest)
        return MadeBanner(
            job.request, manifest, key, reused=False, failed_gates=composed.failed_gates, fallbacks=composed.fallbacks
        )

    def _store_preview(self, job: Job, composed: ComposedSet | Exception) -> BannerOutcome:
        """Store a preview, unless another worker has stored something meanwhile: a preview never replaces a banner.

        Milliseconds pass between this look-up and the write. A banner lost in them is made again at the next request,
        because the manifest is provisional.
        """
        request = job.request
        if (manifest := self._kept(request)) is not None:
            return _reused(request, manifest)
        return self._store_banner(job, composed, provisional=True)

    def _with_blobs(self, job: Job, composed: ComposedSet, *, revision: int, provisional: bool) -> Manifest:
        """Store a banner's files and return the manifest that names them."""
        watch = Stopwatch()
        with watch.stage("store"):
            renditions = tuple(
                self._rendition(picture.size, file, again=job.request.repairs_revision > 0)
                for picture in composed.pictures
                for file in picture.files
            )
        manifest = manifest_of(job.request, composed, renditions, created_at=self._now(), revision=revision)
        return msgspec.structs.replace(
            manifest, stage_ms=composed.stage_ms | watch.milliseconds, provisional=provisional
        )

    def _rendition(self, size: BannerSize, file: EncodedImage, *, again: bool) -> Rendition:
        return Rendition(
            size=size.name,
            blob_key=self.store.put_blob(file.content, file.media_type, again=again),
            width=size.width,
            height=size.height,
            bytes=len(file.content),
            sha256=hashlib.sha256(file.content).hexdigest(),
            media_type=file.media_type,
        )


def manifest_of(
    request: BannerRequest, composed: ComposedSet, renditions: tuple[Rendition, ...], *, created_at: int, revision: int
) -> Manifest:
    """Return the manifest of a banner whose files are stored as `renditions`."""
    return Manifest(
        banner_key=request.banner_key,
        revision=revision,
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


def _repairs_revision(request: BannerRequest) -> int:
    return request.repairs_revision


def _blocked(request: BannerRequest, gate: Literal["words", "picture"], reason: str) -> BlockedProduct:
    log.warning("product_blocked", product_id=request.product.product_id, gate=gate, reason=reason)
    return BlockedProduct(reason, gate)


def _rev(request: BannerRequest) -> str:
    return request.product.rev or content_rev(request.product)


def _reused(request: BannerRequest, manifest: Manifest) -> MadeBanner:
    return MadeBanner(request, manifest, manifest_object_key(request.banner_key), reused=True)


def _promoted(preview: Manifest, composed: ComposedSet, *, created_at: int) -> Manifest:
    """Return the preview as the final banner: the painter failed, and a second studio picture would only flicker."""
    provenance = msgspec.structs.replace(preview.provenance, fallback_reason=composed.provenance.fallback_reason)
    return msgspec.structs.replace(
        preview,
        revision=preview.revision + 1,
        provisional=False,
        provenance=provenance,
        rejected=composed.rejected,
        stage_ms=composed.stage_ms,
        created_at=created_at,
    )


def _stored(storing: Sequence[Future[BannerOutcome]]) -> dict[str, BannerOutcome]:
    """Return the outcomes by banner key once all are stored; raise the first failure only then.

    A retry that starts while others are still being stored would make them a second time.
    """
    wait(storing)
    outcomes = [future.result() for future in storing]
    return {outcome.request.banner_key: outcome for outcome in outcomes}


def _for(request: BannerRequest, outcome: BannerOutcome) -> BannerOutcome:
    """Return a batch's outcome for one of several requests of the same banner."""
    return outcome if outcome.request is request else dataclasses.replace(outcome, request=request)
