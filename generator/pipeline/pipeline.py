"""The pipeline: look before you make, compose, store blobs, then the manifest.

The order of writing is what makes a banner whole (DESIGN.md §2): image blobs → manifest. The worker goes on from there:
ready event → offset commit. A crash between any two of them leaves at most blobs that nothing points to.

A progressive banner has two tiers under one key: a preview by the studio, whose manifest says that it is provisional,
and the model's, whose manifest takes its place with the next revision. A provisional manifest is looked at as made when
a preview is asked for, and as not made when the banner is: what dies between the tiers makes the second again.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import Literal

import msgspec
import structlog

from bannerstream.contracts.catalog import content_rev
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.keys import manifest_object_key
from bannerstream.contracts.manifest import Area, Block, Manifest
from bannerstream.contracts.messages import BannerRequest, Rendition
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.errors import BlockedProduct
from bannerstream.generator.gates.screening import OpenScreen
from bannerstream.generator.pipeline.composer import ComposedSet, Composer, Job
from bannerstream.generator.pipeline.fallbacks import MAX_REASON, Fallback
from bannerstream.generator.pipeline.ports import BannerStore, EncodedImage, ProductImage, Screen
from bannerstream.generator.pipeline.stopwatch import Stopwatch
from bannerstream.service.health import Health

log = structlog.get_logger(__name__)

FIRST_REVISION = 1
"""A banner key names all that shapes a banner: only a preview is followed by a second revision under the same key."""


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


BannerOutcome = MadeBanner | UnmakeableBanner
_Composed = tuple[Job, ComposedSet | Exception]
_Looked = Sequence[tuple[BannerRequest, Manifest | None]]
"""Requests, each with what is there already."""
_MakeNew = Callable[[_Looked], list[BannerOutcome]]


class Pipeline:
    """Makes the banners of a batch of requests. Blocks; call it from threads, each with its own batch.

    `executor` reads from and writes to the store for several banners at once; `now` is the clock, epoch milliseconds.
    `preview_composer` composes previews; with None there are none. `health` records when the process must
    end. A product that `screen` blocks gets no banner and no preview until it comes in another revision.
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
    ) -> None:
        self.composer = composer
        self.preview_composer = preview_composer
        self.health = health or Health()
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
        return self._each_once(requests, self._make_new)

    def preview(self, requests: Sequence[BannerRequest]) -> list[MadeBanner | UnmakeableBanner]:
        """Return, per request and in order, what can be shown at once: the banner if there is one, else a preview.

        Raises:
            ServiceUnavailable: the store does not answer; previewing the same batch again is safe.
            ConfigurationError: the store refuses us.
        """
        return self._each_once(requests, self._preview_new)

    def _each_once(self, requests: Sequence[BannerRequest], make_new: _MakeNew) -> list[BannerOutcome]:
        distinct = {request.banner_key: request for request in requests}
        blocked = self._blocked(list(distinct.values()))
        allowed = {key: request for key, request in distinct.items() if key not in blocked}
        found = list(self._executor.map(self._store.manifest, allowed))
        outcomes = make_new(list(zip(allowed.values(), found, strict=True)))
        made = blocked | {outcome.request.banner_key: outcome for outcome in outcomes}
        return [_for(request, made[request.banner_key]) for request in requests]

    def _make_new(self, looked: _Looked) -> list[BannerOutcome]:
        """Return what is final, and make what is not there or only a preview."""
        final = [_reused(request, found) for request, found in looked if found is not None and not found.provisional]
        to_make = [(request, found) for request, found in looked if found is None or found.provisional]
        composed = self._compose(self.composer, [request for request, _ in to_make])
        return [*final, *self._store_all(self._store_one, composed, [preview for _, preview in to_make])]

    def _preview_new(self, looked: _Looked) -> list[BannerOutcome]:
        """Return what is there, final or not, and sketch what is not."""
        if self.preview_composer is None:
            raise ValueError("this pipeline has no preview_composer")
        there = [_reused(request, found) for request, found in looked if found is not None]
        composed = self._compose(self.preview_composer, [request for request, found in looked if found is None])
        return [*there, *self._store_all(self._store_preview, composed)]

    def _compose(self, composer: Composer, requests: Sequence[BannerRequest]) -> list[_Composed]:
        """Compose what may be composed: of a product whose picture is blocked, the block takes the banner's place."""
        looked = list(self._executor.map(self._job, requests))
        composed = iter(composer.compose_all([job for job, blocked in looked if blocked is None]))
        return [(job, next(composed) if blocked is None else blocked) for job, blocked in looked]

    def _job(self, request: BannerRequest) -> tuple[Job, BlockedProduct | None]:
        image = self._product_image(request)
        reason = self._screen.by_picture(image) if image is not None else None
        return Job(request, image), None if reason is None else self._block(request, "picture", reason)

    def _blocked(self, requests: Sequence[BannerRequest]) -> dict[str, BannerOutcome]:
        """Return, by banner key, those whose product is blocked: by its words now, or by any gate before."""
        products = list({request.product.product_id for request in requests})
        kept = dict(zip(products, self._executor.map(self._store.block, products), strict=True))
        blocks = [(request, self._blocked_one(request, kept[request.product.product_id])) for request in requests]
        return {
            request.banner_key: UnmakeableBanner(request, blocked) for request, blocked in blocks if blocked is not None
        }

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

    def _store_all(self, store: Callable[..., BannerOutcome], *of_each: Sequence[object]) -> list[BannerOutcome]:
        """Store several at once. One fails: the others end first, or the next try would make them a second time."""
        storing = [self._executor.submit(store, *one) for one in zip(*of_each, strict=True)]
        wait(storing)
        return [each.result() for each in storing]

    def _store_one(
        self,
        made: _Composed,
        preview: Manifest | None = None,
        *,
        provisional: bool = False,
    ) -> BannerOutcome:
        """Store a finished banner, in the place of its preview where there is one."""
        job, composed = made
        if isinstance(composed, BlockedProduct):  # told when it was blocked
            return UnmakeableBanner(job.request, composed)
        if isinstance(composed, Exception):
            log.error("banner_unmakeable", banner_key=job.request.banner_key, error=repr(composed))
            return UnmakeableBanner(job.request, composed)
        if preview is not None and any(fallback.port == "painter" for fallback in composed.fallbacks):
            manifest = _kept(preview, composed, created_at=self._now())
        else:
            revision = FIRST_REVISION if preview is None else preview.revision + 1
            manifest = self._with_blobs(job, composed, revision=revision, provisional=provisional)
        key = self._store.put_manifest(manifest)
        return MadeBanner(
            job.request, manifest, key, reused=False, failed_gates=composed.failed_gates, fallbacks=composed.fallbacks
        )

    def _store_preview(self, previewed: _Composed) -> BannerOutcome:
        """Store a preview, unless another worker has stored something meanwhile: a preview never replaces a banner.

        Between this look and the write lie milliseconds, and what would be lost in them is made again when it is next
        asked for: the manifest says that it is provisional.
        """
        request = previewed[0].request
        if (there := self._store.manifest(request.banner_key)) is not None:
            return _reused(request, there)
        return self._store_one(previewed, provisional=True)

    def _with_blobs(self, job: Job, composed: ComposedSet, *, revision: int, provisional: bool) -> Manifest:
        """Store a banner's files and return the manifest that names them."""
        watch = Stopwatch()
        with watch.stage("store"):
            renditions = tuple(
                self._stored(picture.size, file) for picture in composed.pictures for file in picture.files
            )
        manifest = manifest_of(job.request, composed, renditions, created_at=self._now(), revision=revision)
        return msgspec.structs.replace(
            manifest, stage_ms=composed.stage_ms | watch.milliseconds, provisional=provisional
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
    request: BannerRequest, composed: ComposedSet, renditions: tuple[Rendition, ...], *, created_at: int, revision: int
) -> Manifest:
    """Return what is to be said about a banner whose files are stored as `renditions`."""
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


def _rev(request: BannerRequest) -> str:
    return request.product.rev or content_rev(request.product)


def _reused(request: BannerRequest, manifest: Manifest) -> MadeBanner:
    return MadeBanner(request, manifest, manifest_object_key(request.banner_key), reused=True)


def _kept(preview: Manifest, composed: ComposedSet, *, created_at: int) -> Manifest:
    """Return the preview as the final banner: the painter failed, and another studio picture would only flicker."""
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


def _for(request: BannerRequest, outcome: MadeBanner | UnmakeableBanner) -> MadeBanner | UnmakeableBanner:
    """Return a batch's outcome for one of several requests of the same banner."""
    return outcome if outcome.request is request else dataclasses.replace(outcome, request=request)
