"""From a request to finished files, without any store: describe → write → plan → paint → lay out → judge → encode.

Pure over its ports: the pipeline puts a store around it, `bannerstream paint` uses it as it is.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

import structlog
from msgspec.structs import replace

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.contracts.manifest import BannerCopy, Description, GateScore, Provenance, Rejected
from bannerstream.contracts.messages import BannerRequest
from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.generator.errors import (
    BlackPicture,
    NoFontForScript,
    OverBudget,
    PainterUnavailable,
    PaintingFailed,
)
from bannerstream.generator.pipeline.fallbacks import Fallback, GatesFailed, cause_of, reason_of
from bannerstream.generator.pipeline.ports import (
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
    SceneRequest,
    is_black,
)
from bannerstream.generator.pipeline.stopwatch import Stopwatch

log = structlog.get_logger(__name__)

_OWN_ATTEMPTS = 2
"""Attempts of the painter itself, before the fallback."""


class Budget(Protocol):
    """How many pictures the painter may paint. `generator.serving.budget.ImageBudget` is one."""

    def spend(self, pictures: int) -> None:
        """Count pictures that are about to be painted, or raise `OverBudget`."""
        ...


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
        """Note why an attempt is thrown away; once, where a painter that is not to be had is not asked again."""
        if failure is not self.failure:
            seed = seed_of(self.job.request.banner_key, attempt)
            self.rejected.append(Rejected(seed=seed, reason=reason_of(failure)))
        self.failure = failure

    def scenes(self, seed: int) -> list[SceneRequest]:
        """Return what to paint, one scene per size."""
        request, image = self.job.request, self.job.product_image
        return [
            SceneRequest(
                self.description,
                request.cohort,
                each,
                seed,
                image,
                request.product.brand,
                favourites=request.favourites,
            )
            for each in self.compositions
        ]


def seed_of(banner_key: str, attempt: int = 0) -> int:
    """Return the seed of one attempt at a banner: 31 bits, so that every random generator takes it."""
    return int.from_bytes(hashlib.sha256(f"{banner_key}:{attempt}".encode()).digest()[:4]) >> 1


class Composer:
    """Makes banners out of requests.

    The painter paints in the calling thread, `paint_batch_size` banners in all their sizes at a time; meanwhile
    `executor` lays out, judges and encodes banners side by side. Where the painter fails or a gate does, it tries once
    more with another seed; then `fallback` paints, and its picture is taken whatever the gates say, for a banner
    always exists. Where the painter is not to be had (over `budget`, or its model hangs) the fallback paints at once.
    `candidates`: how many pictures of each size the painter paints to choose from; the budget counts them all.
    """

    def __init__(
        self,
        *,
        describer: Describer,
        fallback_describer: Describer,
        copy_writer: CopyWriter,
        painter: Painter,
        fallback_painter: Painter | None,
        layout: Layout,
        judge: Judge,
        encoder: Encoder,
        executor: Executor,
        sizes: Sequence[BannerSize] = SIZES,
        paint_batch_size: int = 1,
        budget: Budget | None = None,
        candidates: int = 1,
    ) -> None:
        self.describer = describer
        self._fallback_describer = fallback_describer
        self._copy_writer = copy_writer
        self._painters = (painter, painter) if fallback_painter is None else (painter, painter, fallback_painter)
        self._layout = layout
        self._judge = judge
        self._encode = encoder
        self._executor = executor
        self._sizes = tuple(sizes)
        self._paint_batch_size = paint_batch_size
        self._budget = budget
        self._pictures = len(self._sizes) * candidates

    @property
    def painter(self) -> Painter:
        """The painter that is asked first."""
        return self._painters[0]

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
        """Describe every product, write the words, plan every size."""
        watch = Stopwatch()
        with watch.stage("describe"):
            described = self._describe(jobs)
        share = watch.milliseconds["describe"] / max(1, len(jobs))
        drafts: list[_Draft | Exception] = []
        for job, (description, fallbacks) in zip(jobs, described, strict=True):
            try:
                drafts.append(self._draft(job, description, fallbacks, describe_ms=share))
            except Exception as error:  # a strange record must not stop its neighbours
                drafts.append(error)
        return drafts

    def _describe(self, jobs: Sequence[Job]) -> list[tuple[Description, list[Fallback]]]:
        products = [job.request.product for job in jobs]
        try:
            described = self.describer.describe(products)
            if len(described) != len(products):
                raise ValueError(f"{len(described)} descriptions of {len(products)} products")  # noqa: TRY301
        except (ServiceUnavailable, ConfigurationError):  # where descriptions are kept: the whole batch waits for it
            raise
        except Exception as error:  # a model may raise anything; a banner always exists
            log.warning("describer_failed", error=repr(error), products=len(products))
            described_by_fallback = self._fallback_describer.describe(products)
            reason = reason_of(error)
            return [(_replaced(each, reason), [Fallback("describer", "failed")]) for each in described_by_fallback]
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
        together = self._paint_batch_size if attempt == 0 else 1
        for at in range(0, len(drafts), together):
            yield from self._paint_together(drafts[at : at + together], attempt)

    def _paint_together(self, drafts: Sequence[_Draft], attempt: int) -> list[tuple[Painting, ...] | PaintingFailed]:
        refused = {id(draft): refusal for draft in drafts if (refusal := self._refusal(draft, attempt)) is not None}
        painted = iter(self._painted([draft for draft in drafts if id(draft) not in refused], attempt))
        return [refused[id(draft)] if id(draft) in refused else next(painted) for draft in drafts]

    def _refusal(self, draft: _Draft, attempt: int) -> PainterUnavailable | None:
        """Return why the painter is not asked for a banner; the fallback always is."""
        if attempt >= _OWN_ATTEMPTS:
            return None
        if isinstance(draft.failure, PainterUnavailable):
            return draft.failure
        try:
            if self._budget is not None:
                self._budget.spend(self._pictures)
        except OverBudget as refusal:
            return refusal
        return None

    def _painted(self, drafts: Sequence[_Draft], attempt: int) -> list[tuple[Painting, ...] | PaintingFailed]:
        scenes = [scene for draft in drafts for scene in draft.scenes(seed_of(draft.job.request.banner_key, attempt))]
        if not scenes:
            return []
        watch = Stopwatch()
        painted: list[tuple[Painting, ...] | PaintingFailed]
        try:
            with watch.stage("paint"):
                outcomes = _checked(self._painters[attempt].paint(scenes), scenes)
            each = len(self._sizes)
            painted = [_all_or_why_not(outcomes[at : at + each]) for at in range(0, len(outcomes), each)]
        except Exception as error:  # a model may raise anything; a banner always exists
            failure = error if isinstance(error, PaintingFailed) else PaintingFailed(f"{type(error).__name__}: {error}")
            painted = [failure] * len(drafts)
        for failure_told in {repr(outcome) for outcome in painted if isinstance(outcome, PaintingFailed)}:
            log.warning("painter_failed", error=failure_told, banners=len(drafts), attempt=attempt)
        for draft in drafts:
            draft.watch.add("paint", watch.milliseconds["paint"] / len(drafts))
        return painted

    def _finish(
        self, draft: _Draft, paintings: tuple[Painting, ...] | PaintingFailed, attempt: int
    ) -> ComposedSet | Exception | None:
        """Return the banner, or what made it impossible, or None where another attempt is due."""
        last = attempt == len(self._painters) - 1
        if isinstance(paintings, tuple) and any(is_black(each.pixels) for each in paintings):
            paintings = BlackPicture("the painter returned a black picture")
        if isinstance(paintings, PaintingFailed):
            draft.reject(paintings, attempt)
            return paintings if last else None
        try:
            pictures = tuple(map(self._picture, repeat(draft), draft.compositions, paintings))
        except NoFontForScript as error:  # no other painting would have it
            return error
        except PaintingFailed as failure:  # a gate's model hangs: what it has not seen does not pass
            log.warning("judging_failed", error=str(failure), attempt=attempt)
            draft.reject(failure, attempt)
            return failure if last else None
        except Exception as error:  # another painting may do better: noise may be over the byte cap
            log.warning("finishing_failed", error=repr(error), attempt=attempt)
            draft.reject(PaintingFailed(f"{type(error).__name__}: {error}"), attempt)
            return error if last else None
        failed = [score.gate for picture in pictures for score in picture.gates if not score.passed]
        draft.failed_gates += failed
        if failed and not last:
            draft.reject(GatesFailed(f"failed gates: {', '.join(sorted(set(failed)))}"), attempt)
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
            provenance = replace(provenance, fallback_reason=reason_of(draft.failure))
            fallbacks.append(Fallback("painter", cause_of(draft.failure)))
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


def _checked(
    outcomes: Sequence[Painting | PaintingFailed], scenes: Sequence[SceneRequest]
) -> Sequence[Painting | PaintingFailed]:
    """Return the paintings if each is as large as its scene asks for."""
    if len(outcomes) != len(scenes):
        raise PaintingFailed(f"the painter returned {len(outcomes)} paintings for {len(scenes)} scenes")
    for outcome, scene in zip(outcomes, scenes, strict=True):
        size = scene.composition.size
        if isinstance(outcome, Painting) and outcome.pixels.shape != (size.height, size.width, 3):
            raise PaintingFailed(f"the painter returned {outcome.pixels.shape} for {size.name}")
    return outcomes


def _all_or_why_not(outcomes: Sequence[Painting | PaintingFailed]) -> tuple[Painting, ...] | PaintingFailed:
    """Return the paintings of one banner, or why the first that failed did."""
    paintings = tuple(each for each in outcomes if isinstance(each, Painting))
    failed = [each for each in outcomes if isinstance(each, PaintingFailed)]
    return failed[0] if failed else paintings


def _replaced(description: Description, reason: str) -> Description:
    return replace(description, fallback_reason=reason)
