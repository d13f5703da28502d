"""A pipeline whose ports are fakes that a test can make fail."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from bannerstream.contracts.messages import BannerRequest
from bannerstream.contracts.sizes import RECTANGLE, SQUARE
from bannerstream.generator.describers.kept_describer import KeptDescriber
from bannerstream.generator.pipeline.composer import Composer
from bannerstream.generator.pipeline.fakes import (
    FakeCopyWriter,
    FakeDescriber,
    FakeJudge,
    FakeLayout,
    FakePainter,
    FakeScreen,
    FakeStore,
    fake_encode,
)
from bannerstream.generator.pipeline.pipeline import MadeBanner, Pipeline, UnmakeableBanner
from bannerstream.generator.serving.budget import ImageBudget

NOW = 1_760_000_000_000

RequestFor = Callable[..., BannerRequest]


def raising(error: Exception) -> Callable[..., None]:
    def fault(*_: object) -> None:
        raise error

    return fault


def the_one(outcomes: list[MadeBanner | UnmakeableBanner]) -> MadeBanner:
    (outcome,) = outcomes
    assert isinstance(outcome, MadeBanner)
    return outcome


@dataclass
class Fakes:
    """The fakes behind a pipeline's ports."""

    executor: Executor
    describer: FakeDescriber = field(default_factory=FakeDescriber)
    fallback_describer: FakeDescriber = field(default_factory=lambda: FakeDescriber("fallback@1"))
    copy_writer: FakeCopyWriter = field(default_factory=FakeCopyWriter)
    painter: FakePainter = field(default_factory=FakePainter)
    fallback_painter: FakePainter | None = field(default_factory=lambda: FakePainter("fallback"))
    layout: FakeLayout = field(default_factory=FakeLayout)
    judge: FakeJudge = field(default_factory=FakeJudge)
    store: FakeStore = field(default_factory=FakeStore)
    screen: FakeScreen = field(default_factory=FakeScreen)
    paint_batch_size: int = 8
    budget: ImageBudget | None = None
    candidates: int = 1

    def composer(self) -> Composer:
        return Composer(
            describer=KeptDescriber(self.describer, self.store, self.executor),
            fallback_describer=self.fallback_describer,
            copy_writer=self.copy_writer,
            painter=self.painter,
            fallback_painter=self.fallback_painter,
            layout=self.layout,
            judge=self.judge,
            encoder=fake_encode,
            sizes=(RECTANGLE, SQUARE),
            executor=self.executor,
            paint_batch_size=self.paint_batch_size,
            budget=self.budget,
            candidates=self.candidates,
        )

    def preview_composer(self) -> Composer:
        """Return the composer of previews: fallbacks only."""
        return replace(
            self,
            describer=self.fallback_describer,
            painter=self.fallback_painter or self.painter,
            fallback_painter=None,
            paint_batch_size=1,
        ).composer()

    def pipeline(self, *, progressive: bool = False) -> Pipeline:
        preview_composer = self.preview_composer() if progressive else None
        return Pipeline(
            self.composer(),
            self.store,
            self.executor,
            now=lambda: NOW,
            preview_composer=preview_composer,
            screen=self.screen,
        )
