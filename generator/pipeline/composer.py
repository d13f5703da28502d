"""Makes finished files from a request, without any store: describe → write → plan → paint → lay out → judge → encode.

Pure over its ports: the pipeline puts a store around it, `bannerstream paint` uses it alone.
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
from bannerstream.contracts.manifest import PRODUCT_SHOWN, BannerCopy, Description, GateScore, Provenance, Rejected
from bannerstream.contracts.messages import BannerRequest
from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.generator.errors import (
    BlackPicture,
    NoFontForScript,
    OverBudget,
    PainterUnavailable,
    PaintingFailed,
    ProductNotShown,
)
from bannerstream.generator.pipeline.fallbacks import Fallback, GatesFailed, cause_of, reason_of
from bannerstream.generator.pipeline.ports import (
    Box,
    ComposedBanner,
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
    """Limits how many pictures the painter paints. `generator.serving.budget.ImageBudget` implements it."""

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
    """One banner in every size: the files' bytes, and everything that its manifest records about them."""

    description: Description
    words: BannerCopy
    provenance: Provenance
    seed: int
    pictures: tuple[Picture, ...]
    stage_ms: dict[str, float]
    failed_gates: tuple[str, ...] = ()
    """Every gate that failed, in rejected attempts too."""
    fallbacks: tuple[Fallback, ...] = ()
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A request with its product's picture."""

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
    """Why the last attempt was rejected."""
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, failure: PaintingFailed, attempt: int) -> None:
        """Record why an attempt is rejected; only once where an unavailable painter is not called again."""
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
                composition,
                seed,
                image,
                request.product.brand,
                favourites=request.favourites,
            )
            for composition in self.compositions
        ]


def seed_of(banner_key: str, attempt: int = 0) -> int:
    """Return the seed of one attempt at a banner: 31 bits, so that every random generator accepts it."""
    return int.from_bytes(hashlib.sha256(f"{banner_key}:{attempt}".encode()).digest()[:4]) >> 1


class Composer:
    """Makes banners from requests.

    The painter paints in the calling thread, `paint_batch_size` banners in all their sizes at a time; meanwhile
    `executor` lays out, judges and encodes several banners at once. After a failed painting or gate the painter tries
    once more with another seed; then `fallback_painter` paints, and its picture is published whatever the gates score,
    so that a banner always exists. One gate has no exception: where the product's record names a picture, a banner that
    does not show it is not published. Where the painter is unavailable (over `budget`, or its model hangs), the
    fallback paints at once. `candidates` is how many pictures of each size the painter paints to choose from; the
    budget counts all of them.
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
        """The painter of the first attempt."""
        return self._painters[0]

    def compose(self, request: BannerRequest, product_image: ProductImage | None) -> ComposedSet:
        """Return one finished banner; raise the error that made it impossible."""
        (composed,) = self.compose_all([Job(request, product_image)])
        if isinstance(composed, Exception):
            raise composed
        return composed

    def compose_all(self, jobs: Sequence[Job]) -> list[ComposedSet | Exception]:
        """Return, per job and in order, the finished banner or the error that made it impossible.

        No job harms another.
        """
        finished: dict[int, ComposedSet | Exception] = {}
        drafts: dict[int, _Draft] = {}
        for index, draft in enumerate(self._drafts(jobs)):
            if isinstance(draft, _Draft):
                drafts[index] = draft
            else:
                finished[index] = draft
        for attempt in range(len(self._painters)):
            paintings = self._paint(list(drafts.values()), attempt)
            # `map` submits each painting as it arrives: one banner is finished while the next is painted.
            outcomes = self._executor.map(self._finish, list(drafts.values()), paintings, repeat(attempt))
            for index, outcome in zip(tuple(drafts), list(outcomes), strict=True):
                if outcome is not None:
                    finished[index] = outcome
                    del drafts[index]
            if not drafts:
                break
        return [finished[index] for index in range(len(jobs))]

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
            except Exception as error:  # one bad record must not stop the others
                drafts.append(error)
        return drafts

    def _describe(self, jobs: Sequence[Job]) -> list[tuple[Description, list[Fallback]]]:
        products = [job.request.product for job in jobs]
        try:
            described = self.describer.describe(products)
            if len(described) != len(products):
                raise ValueError(f"{len(described)} descriptions of {len(products)} products")  # noqa: TRY301
        except (ServiceUnavailable, ConfigurationError):  # the store of descriptions: the whole batch waits for it
            raise
        except Exception as error:  # a model may raise anything; a banner always exists
            log.warning("describer_failed", error=repr(error), products=len(products))
            described_by_fallback = self._fallback_describer.describe(products)
            reason = reason_of(error)
            return [
                (_replaced(description, reason), [Fallback("describer", "failed")])
                for description in described_by_fallback
            ]
        unusable = Fallback("describer", "unusable")
        return [(description, [unusable] if description.fallback_reason else []) for description in described]

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
        """Yield each draft's paintings once they are done, so that finishing them overlaps with painting the next.

        The first attempt paints batches; later attempts paint one banner at a time, so that no banner fails another.
        """
        batch_size = self._paint_batch_size if attempt == 0 else 1
        for start in range(0, len(drafts), batch_size):
            yield from self._paint_batch(drafts[start : start + batch_size], attempt)

    def _paint_batch(self, drafts: Sequence[_Draft], attempt: int) -> list[tuple[Painting, ...] | PaintingFailed]:
        refused = {id(draft): refusal for draft in drafts if (refusal := self._refusal(draft, attempt)) is not None}
        painted = iter(self._painted([draft for draft in drafts if id(draft) not in refused], attempt))
        return [refused[id(draft)] if id(draft) in refused else next(painted) for draft in drafts]

    def _refusal(self, draft: _Draft, attempt: int) -> PainterUnavailable | None:
        """Return why the painter is not called for a banner; the fallback always is."""
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
            per_banner = len(self._sizes)
            starts = range(0, len(outcomes), per_banner)
            painted = [_all_or_failure(outcomes[start : start + per_banner]) for start in starts]
        except Exception as error:  # a model may raise anything; a banner always exists
            failure = error if isinstance(error, PaintingFailed) else PaintingFailed(f"{type(error).__name__}: {error}")
            painted = [failure] * len(drafts)
        for failure_text in {repr(outcome) for outcome in painted if isinstance(outcome, PaintingFailed)}:
            log.warning("painter_failed", error=failure_text, banners=len(drafts), attempt=attempt)
        for draft in drafts:
            draft.watch.add("paint", watch.milliseconds["paint"] / len(drafts))
        return painted

    def _finish(
        self, draft: _Draft, paintings: tuple[Painting, ...] | PaintingFailed, attempt: int
    ) -> ComposedSet | Exception | None:
        """Return the banner, or the error that made it impossible, or None where another attempt is due."""
        last = attempt == len(self._painters) - 1
        if isinstance(paintings, tuple) and any(is_black(painting.pixels) for painting in paintings):
            paintings = BlackPicture("the painter returned a black picture")
        if isinstance(paintings, PaintingFailed):
            draft.reject(paintings, attempt)
            return paintings if last else None
        try:
            pictures = tuple(map(self._picture, repeat(draft), draft.compositions, paintings))
        except NoFontForScript as error:  # no other painting would help
            return error
        except PaintingFailed as failure:  # a gate's model hangs: an unchecked picture does not pass
            log.warning("judging_failed", error=str(failure), attempt=attempt)
            draft.reject(failure, attempt)
            return failure if last else None
        except Exception as error:  # another painting may succeed: noise may exceed the byte cap
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
            gates = self._judge.judge(banner, painting, max(len(file.content) for file in files))
            if request.product.image_key is not None:
                gates += (_product_shown(banner, painting),)
        return Picture(composition.size, composition.template, files, gates, banner.product)

    def _composed(
        self, draft: _Draft, provenance: Provenance, pictures: tuple[Picture, ...], attempt: int
    ) -> ComposedSet | ProductNotShown:
        if any(score.gate == PRODUCT_SHOWN and not score.passed for picture in pictures for score in picture.gates):
            return ProductNotShown(f"no attempt shows {draft.job.request.product.image_key}, the product's picture")
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


def _product_shown(banner: ComposedBanner, painting: Painting) -> GateScore:
    """Judge the one gate that the last attempt must pass, too. It is the composer's own: no judge can leave it out."""
    shown = banner.product is not None or painting.holds_product
    size = banner.composition.size.name
    return GateScore(gate=PRODUCT_SHOWN, size=size, score=float(shown), threshold=1.0, passed=shown)


def _checked(
    outcomes: Sequence[Painting | PaintingFailed], scenes: Sequence[SceneRequest]
) -> Sequence[Painting | PaintingFailed]:
    """Return the paintings if every one has its scene's size."""
    if len(outcomes) != len(scenes):
        raise PaintingFailed(f"the painter returned {len(outcomes)} paintings for {len(scenes)} scenes")
    for outcome, scene in zip(outcomes, scenes, strict=True):
        size = scene.composition.size
        if isinstance(outcome, Painting) and outcome.pixels.shape != (size.height, size.width, 3):
            raise PaintingFailed(f"the painter returned {outcome.pixels.shape} for {size.name}")
    return outcomes


def _all_or_failure(outcomes: Sequence[Painting | PaintingFailed]) -> tuple[Painting, ...] | PaintingFailed:
    """Return the paintings of one banner, or the first failure among them."""
    paintings = tuple(outcome for outcome in outcomes if isinstance(outcome, Painting))
    failures = [outcome for outcome in outcomes if isinstance(outcome, PaintingFailed)]
    return failures[0] if failures else paintings


def _replaced(description: Description, reason: str) -> Description:
    return replace(description, fallback_reason=reason)
