"""Requests to make banners from, and a pipeline of fakes."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from contracts.catalog import Cohort, Product, with_rev
from contracts.keys import banner_key
from contracts.messages import BannerRequest
from contracts.sizes import RECTANGLE, SQUARE
from generator.composing import Composer
from generator.fakes import (
    FakeCopyWriter,
    FakeDescriber,
    FakeJudge,
    FakeLayout,
    FakePainter,
    FakeScreen,
    FakeStore,
    fake_encode,
)
from generator.pipeline import Pipeline

NOW = 1_760_000_000_000
RequestFor = Callable[..., BannerRequest]


@dataclass
class Fakes:
    """A pipeline whose every port is a fake that a test can break."""

    executor: Executor
    describer: FakeDescriber = field(default_factory=FakeDescriber)
    describer_understudy: FakeDescriber = field(default_factory=lambda: FakeDescriber("understudy@1"))
    copy_writer: FakeCopyWriter = field(default_factory=FakeCopyWriter)
    painter: FakePainter = field(default_factory=FakePainter)
    understudy: FakePainter | None = field(default_factory=lambda: FakePainter("understudy"))
    layout: FakeLayout = field(default_factory=FakeLayout)
    judge: FakeJudge = field(default_factory=FakeJudge)
    store: FakeStore = field(default_factory=FakeStore)
    screen: FakeScreen = field(default_factory=FakeScreen)
    painted_together: int = 8

    def composer(self) -> Composer:
        return Composer(
            describer=self.describer,
            describer_understudy=self.describer_understudy,
            copy_writer=self.copy_writer,
            painter=self.painter,
            understudy=self.understudy,
            layout=self.layout,
            judge=self.judge,
            encoder=fake_encode,
            sizes=(RECTANGLE, SQUARE),
            executor=self.executor,
            painted_together=self.painted_together,
        )

    def pipeline(self) -> Pipeline:
        return Pipeline(self.composer(), self.store, self.executor, now=lambda: NOW, screen=self.screen)


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    with ThreadPoolExecutor(2) as executor:
        yield Fakes(executor)


@pytest.fixture
def request_for() -> RequestFor:
    """Return a function that asks for the banner of a product, `p1` unless told otherwise."""

    def make(product_id: str = "p1", *, title: str = "Stoneware Mug", image_key: str | None = None) -> BannerRequest:
        product = with_rev(
            Product(product_id=product_id, title=title, category="kitchen", cohorts={"cosy": 1.0}, image_key=image_key)
        )
        cohort = with_rev(
            Cohort(cohort_id="cosy", name="Cosy", mood=("warm",), palette=("#ffffff", "#ddccbb", "#884422"))
        )
        key = banner_key(product, cohort, locale="en", variant="a", creative_revision="1")
        return BannerRequest(
            banner_key=key,
            product=product,
            cohort=cohort,
            locale="en",
            variant="a",
            creative_revision="1",
            requested_at=NOW,
            event_appended_at=NOW - 500,
        )

    return make
