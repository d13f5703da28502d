"""Requests to make banners from, and a pipeline of fakes."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bannerstream.contracts.catalog import Cohort, Product, with_rev
from bannerstream.contracts.keys import banner_key
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


def raising(error: Exception):
    def fault(*_: object) -> None:
        raise error

    return fault


def the_one(outcomes: list[MadeBanner | UnmakeableBanner]) -> MadeBanner:
    (outcome,) = outcomes
    assert isinstance(outcome, MadeBanner)
    return outcome


@dataclass
class Fakes:
    """A pipeline whose every port is a fake that a test can break."""

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
        """What makes previews: the understudies alone."""
        return replace(
            self,
            describer=self.fallback_describer,
            painter=self.fallback_painter,
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


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny real pipeline of each family under its name, and what belongs to them."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from tests.tiny_families import FAMILIES, save_controlnet, save_lora, save_textual_inversion, save_tiny_vae

    folder = tmp_path_factory.mktemp("families")
    for name, save in FAMILIES.items():
        save(folder / name)
        if name != "sana-sprint":  # diffusers has no ControlNet for it
            save_controlnet(folder / name, folder / f"{name}-controlnet")
        save_lora(folder / name, folder / f"{name}-warm.safetensors", seed=1)
    save_lora(folder / "sd", folder / "sd-cold.safetensors", seed=2)
    save_textual_inversion(folder / "sd-word.safetensors")
    save_textual_inversion(folder / "sdxl-word.safetensors", for_xl=True)
    save_tiny_vae(folder / "taesd")
    save_tiny_vae(folder / "taesd3", channels=16)
    return folder


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    with ThreadPoolExecutor(2) as executor:
        yield Fakes(executor)


@pytest.fixture
def request_for() -> RequestFor:
    """Return a function that asks for the banner of a product, `p1` unless told otherwise."""

    def make(
        product_id: str = "p1",
        *,
        title: str = "Stoneware Mug",
        image_key: str | None = None,
        cohort_id: str = "cosy",
    ) -> BannerRequest:
        product = with_rev(
            Product(
                product_id=product_id, title=title, category="kitchen", cohorts={cohort_id: 1.0}, image_key=image_key
            )
        )
        cohort = with_rev(
            Cohort(cohort_id=cohort_id, name="Cosy", mood=("warm",), palette=("#ffffff", "#ddccbb", "#884422"))
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
