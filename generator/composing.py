"""From a request to finished files, without any store: describe → write → plan → paint → lay out → judge → encode.

Pure over its ports: the pipeline puts a store around it, `bannerstream paint` uses it as it is.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

import structlog
from msgspec.structs import replace

from contracts.codecs import canonical_json
from contracts.manifest import BannerCopy, Description, GateScore, Provenance, Rejected
from contracts.messages import BannerRequest
from contracts.sizes import SIZES, BannerSize
from generator.errors import BlackPicture, NoFontForScript, PaintingFailed
from generator.ports import (
    Box,
    Composition,
    CopyWriter,
    Describer,
    EncodedImage,
    Encoder,
    Judge,
    Layout,
    Painter,
    Painting,
    ProductImage,
    SceneWish,
)
from generator.stopwatch import Stopwatch

log = structlog.get_logger(__name__)

MAX_REASON = 300
"""Length that the manifest allows a reason."""
BLACK_BELOW = 8
"""No channel of any pixel is brighter (of 255): what a safety checker or an overflow in half precision leaves."""

_OWN_ATTEMPTS = 2
"""Attempts of the painter itself, before the understudy."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """One port that did not do what it was asked for. Both words come from fixed lists: they label a metric."""

    port: Literal["describer", "painter"]
    reason: Literal["failed", "unusable", "black", "gates"]


@dataclass(frozen=True, slots=True)
class Picture:
    """One size of a banner as files."""

    size: BannerSize
    template: str
    files: tuple[EncodedImage, ...]
    gates: tuple[GateScore, ...]
    product: Box | None = None
    """The product's visible pixels."""


@dataclass(frozen=True, slots=True)
class ComposedSet:
    """One banner in every size: the files' bytes, and all that its manifest will say about them."""

    description: Description
    words: BannerCopy
    provenance: Provenance
    seed: int
    pictures: tuple[Picture, ...]
    stage_ms: dict[str, float]
    failed_gates: tuple[str, ...] = ()
    """Every gate that failed, in attempts that were thrown away too."""
    fallbacks: tuple[Fallback, ...] = ()
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A request with what was fetched for it."""

    request: BannerRequest
    product_image: ProductImage | None
    description: Description | None = None
    """None: still to be described."""


@dataclass(slots=True)
class _Draft:
    """A banner in the making."""

    job: Job
    description: Description
    words: BannerCopy
    compositions: tuple[Composition, ...]
    watch: Stopwatch
    fallbacks: list[Fallback]
    failed_gates: list[str] = field(default_factory=list)
    failure: PaintingFailed | None = None
    """Why the last attempt was thrown away."""
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, failure: PaintingFailed, attempt: int) -> None:
        """Note why an attempt is thrown away."""
        self.failure = failure
        seed = seed_of(self.job.request.banner_key, attempt)
        self.rejected.append(Rejected(seed=seed, reason=_reason(failure)))

    def wishes(self, seed: int) -> list[SceneWish]:
        """Return what to paint, one wish per size."""
        cohort, image = self.job.request.cohort, self.job.product_image
        return [SceneWish(self.description, cohort, each, seed, image) for each in self.compositions]


def seed_of(banner_key: str, attempt: int = 0) -> int:
    """Return the seed of one attempt at a banner: 31 bits, so that every random generator takes it."""
    return int.from_bytes(hashlib.sha256(f"{banner_key}:{attempt}".encode()).digest()[:4]) >> 1


def description_key(product_rev: str, describer_revision: str) -> str:
    """Return the name under which a description is kept: a product is described once per describer."""
    shaped_by = {"product_rev": product_rev, "describer": describer_revision}
    return hashlib.sha256(canonical_json(shaped_by)).hexdigest()


class Composer:
    """Makes banners out of requests.

    The painter paints in the calling thread, `painted_together` banners in all their sizes at a time; meanwhile
    `executor` lays out, judges and encodes banners side by side. Where the painter fails or a gate does, it tries once
    more with another seed; then `understudy` paints, and its picture is taken whatever the gates say, for a banner
    always exists.
    """

    def __init__(
        self,
        *,
        describer: Describer,
        describer_understudy: Describer,
        copy_writer: CopyWriter,
        painter: Painter,
        understudy: Painter | None,
        layout: Layout,
        judge: Judge,
        encoder: Encoder,
        executor: Executor,
        sizes: Sequence[BannerSize] = SIZES,
        painted_together: int = 1,
    ) -> None:
        self._describer = describer
        self._describer_understudy = describer_understudy
        self._copy_writer = copy_writer
        self._painters = (painter, painter) if understudy is None else (painter, painter, understudy)
        self._layout = layout
        self._judge = judge
        self._encode = encoder
        self._executor = executor
        self._sizes = tuple(sizes)
        self._painted_together = painted_together

    @property
    def describer_revision(self) -> str:
        """What is part of the key of every description that this composer writes."""
        return self._describer.revision

    def compose(self, request: BannerRequest, product_image: ProductImage | None) -> ComposedSet:
        """Return one finished banner; raise what made it impossible."""
        (composed,) = self.compose_all([Job(request, product_image)])
        if isinstance(composed, Exception):
            raise composed
        return composed

    def compose_all(self, jobs: Sequence[Job]) -> list[ComposedSet | Exception]:
        """Return, per job and in order, the finished banner or what made it impossible. No job harms another."""
        finished: dict[int, ComposedSet | Exception] = {}
        drafts: dict[int, _Draft] = {}
        for at, draft in enumerate(self._drafts(jobs)):
            if isinstance(draft, _Draft):
                drafts[at] = draft
            else:
                finished[at] = draft
        for attempt in range(len(self._painters)):
            paintings = self._paint(list(drafts.values()), attempt)
            # `map` takes paintings one by one and starts on each: a banner is finished while the next is painted.
            outcomes = self._executor.map(self._finish, list(drafts.values()), paintings, repeat(attempt))
            for at, outcome in zip(tuple(drafts), list(outcomes), strict=True):
                if outcome is not None:
                    finished[at] = outcome
                    del drafts[at]
            if not drafts:
                break
        return [finished[at] for at in range(len(jobs))]

    def _drafts(self, jobs: Sequence[Job]) -> list[_Draft | Exception]:
        """Describe what is not described yet, write the words, plan every size."""
        watch = Stopwatch()
        undescribed = [at for at, job in enumerate(jobs) if job.description is None]
        with watch.stage("describe"):
            described = dict(zip(undescribed, self._describe([jobs[at] for at in undescribed]), strict=True))
        share = watch.milliseconds["describe"] / max(1, len(undescribed))
        drafts: list[_Draft | Exception] = []
        for at, job in enumerate(jobs):
            known = (job.description, []) if job.description is not None else described[at]
            try:
                drafts.append(self._draft(job, *known, describe_ms=share if at in described else 0.0))
            except Exception as error:  # a strange record must not stop its neighbours
                drafts.append(error)
        return drafts

    def _describe(self, jobs: Sequence[Job]) -> list[tuple[Description, list[Fallback]]]:
        if not jobs:
            return []
        products = [job.request.product for job in jobs]
        try:
            described = self._describer.describe(products)
            if len(described) != len(products):
                raise ValueError(f"{len(described)} descriptions of {len(products)} products")  # noqa: TRY301
        except Exception as error:  # a model may raise anything; a banner always exists
            log.warning("describer_failed", error=repr(error), products=len(products))
            understudied = self._describer_understudy.describe(products)
            reason = _reason(error)
            return [(_replaced(each, reason), [Fallback("describer", "failed")]) for each in understudied]
        return [(each, [Fallback("describer", "unusable")] if each.fallback_reason else []) for each in described]

    def _draft(self, job: Job, description: Description, fallbacks: list[Fallback], *, describe_ms: float) -> _Draft:
        watch = Stopwatch()
        watch.add("describe", describe_ms)
        request = job.request
        with watch.stage("write"):
            words = self._copy_writer.write(request.product, request.cohort, request.locale)
        with watch.stage("plan"):
            compositions = tuple(
                self._layout.plan(
                    size,
                    variant=request.variant,
                    seed=seed_of(request.banner_key),
                    has_product=job.product_image is not None,
                    locale=request.locale,
                )
                for size in self._sizes
            )
        return _Draft(job, description, words, compositions, watch, fallbacks)

    def _paint(self, drafts: Sequence[_Draft], attempt: int) -> Iterator[tuple[Painting, ...] | PaintingFailed]:
        """Yield each draft's paintings as they get done, so that finishing them runs beside painting the next.

        Together at first; what is painted again is painted alone, so that no banner fails another.
        """
        together = self._painted_together if attempt == 0 else 1
        for at in range(0, len(drafts), together):
            yield from self._paint_together(drafts[at : at + together], attempt)

    def _paint_together(self, drafts: Sequence[_Draft], attempt: int) -> list[tuple[Painting, ...] | PaintingFailed]:
        wishes = [wish for draft in drafts for wish in draft.wishes(seed_of(draft.job.request.banner_key, attempt))]
        if not wishes:
            return []
        watch = Stopwatch()
        painted: list[tuple[Painting, ...] | PaintingFailed]
        try:
            with watch.stage("paint"):
                paintings = _checked(self._painters[attempt].paint(wishes), wishes)
            each = len(self._sizes)
            painted = [tuple(paintings[at : at + each]) for at in range(0, len(paintings), each)]
        except Exception as error:  # a model may raise anything; a banner always exists
            log.warning("painter_failed", error=repr(error), banners=len(drafts), attempt=attempt)
            failure = error if isinstance(error, PaintingFailed) else PaintingFailed(f"{type(error).__name__}: {error}")
            painted = [failure] * len(drafts)
        for draft in drafts:
            draft.watch.add("paint", watch.milliseconds["paint"] / len(drafts))
        return painted

    def _finish(
        self, draft: _Draft, paintings: tuple[Painting, ...] | PaintingFailed, attempt: int
    ) -> ComposedSet | Exception | None:
        """Return the banner, or what made it impossible, or None where another attempt is due."""
        last = attempt == len(self._painters) - 1
        if isinstance(paintings, tuple) and any(_is_black(each) for each in paintings):
            paintings = BlackPicture("the painter returned a black picture")
        if isinstance(paintings, PaintingFailed):
            draft.reject(paintings, attempt)
            return paintings if last else None
        try:
            pictures = tuple(map(self._picture, repeat(draft), draft.compositions, paintings))
        except NoFontForScript as error:  # no other painting would have it
            return error
        except Exception as error:  # another painting may do better: noise may be over the byte cap
            log.warning("finishing_failed", error=repr(error), attempt=attempt)
            draft.reject(PaintingFailed(f"{type(error).__name__}: {error}"), attempt)
            return error if last else None
        failed = [score.gate for picture in pictures for score in picture.gates if not score.passed]
        draft.failed_gates += failed
        if failed and not last:
            draft.reject(_GatesFailed(f"failed gates: {', '.join(sorted(set(failed)))}"), attempt)
            return None
        return self._composed(draft, paintings[0].provenance, pictures, attempt)

    def _picture(self, draft: _Draft, composition: Composition, painting: Painting) -> Picture:
        request = draft.job.request
        with draft.watch.stage("lay_out"):
            banner = self._layout.lay_out(
                painting, composition, draft.words, request.cohort, draft.job.product_image, locale=request.locale
            )
        with draft.watch.stage("encode"):
            files = self._encode(banner.pixels, composition.size)
        with draft.watch.stage("judge"):
            gates = self._judge.judge(banner, painting, max(len(each.content) for each in files))
        return Picture(composition.size, composition.template, files, gates, banner.product)

    def _composed(
        self, draft: _Draft, provenance: Provenance, pictures: tuple[Picture, ...], attempt: int
    ) -> ComposedSet:
        fallbacks = list(draft.fallbacks)
        if attempt >= _OWN_ATTEMPTS and draft.failure is not None:
            provenance = replace(provenance, fallback_reason=_reason(draft.failure))
            fallbacks.append(Fallback("painter", _cause(draft.failure)))
        return ComposedSet(
            description=draft.description,
            words=draft.words,
            provenance=provenance,
            seed=seed_of(draft.job.request.banner_key, attempt),
            pictures=pictures,
            stage_ms=dict(draft.watch.milliseconds),
            failed_gates=tuple(draft.failed_gates),
            fallbacks=tuple(fallbacks),
            rejected=tuple(draft.rejected),
        )


class _GatesFailed(PaintingFailed):
    """The banner was painted, but a gate turned it down."""


def _checked(paintings: Sequence[Painting], wishes: Sequence[SceneWish]) -> Sequence[Painting]:
    """Return the paintings if each is as large as it was wished for."""
    if len(paintings) != len(wishes):
        raise PaintingFailed(f"the painter returned {len(paintings)} paintings for {len(wishes)} wishes")
    for painting, wish in zip(paintings, wishes, strict=True):
        size = wish.composition.size
        if painting.pixels.shape != (size.height, size.width, 3):
            raise PaintingFailed(f"the painter returned {painting.pixels.shape} for {size.name}")
    return paintings


def _is_black(painting: Painting) -> bool:
    return int(painting.pixels.max()) < BLACK_BELOW


def _cause(failure: PaintingFailed) -> Literal["failed", "black", "gates"]:
    if isinstance(failure, _GatesFailed):
        return "gates"
    return "black" if isinstance(failure, BlackPicture) else "failed"


def _reason(error: Exception) -> str:
    """Return what the manifest says about an error: one line, in the manifest's bounds."""
    told = str(error) if isinstance(error, PaintingFailed) else f"{type(error).__name__}: {error}"
    return " ".join(told.split())[:MAX_REASON] or type(error).__name__


def _replaced(description: Description, reason: str) -> Description:
    return replace(description, fallback_reason=reason)
