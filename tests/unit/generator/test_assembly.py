"""What the settings put together around a real model with random weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import LEADERBOARD, RECTANGLE, SIZES
from bannerstream.generator.assembly import Models, build_composer, build_pipeline
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.pipeline.fakes import FakeStore
from bannerstream.generator.pipeline.pipeline import MadeBanner
from bannerstream.settings import GeneratorSettings
from tests.support.generator_fakes import RequestFor

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),  # the libraries' own
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from tests.support.tiny_models import save_text_to_image

    return save_text_to_image(tmp_path_factory.mktemp("models") / "t2i")


def settings_of(model: Path, **more: object) -> GeneratorSettings:
    return GeneratorSettings(
        painter="diffusers", painter_model=str(model), painter_steps=1, device="cpu", encode_workers=1, **more
    )  # fmt: skip


def test_the_model_is_warm_before_the_first_banner_and_paints_behind_the_server(
    model: Path, request_for: RequestFor
) -> None:
    metrics = GeneratorMetrics(CollectorRegistry())
    with ThreadPoolExecutor(1) as executor:
        models = Models(settings_of(model), metrics)
        composer = build_composer(models.settings, executor, (RECTANGLE, LEADERBOARD), models=models, warm_up=True)
        composed = composer.compose(request_for(), None)
    assert [picture.size for picture in composed.pictures] == [RECTANGLE, LEADERBOARD]
    assert metrics.images_together._sum.get() >= 2


def test_a_progressive_pipeline_sketches_without_the_model(model: Path, request_for: RequestFor) -> None:
    store, request = FakeStore(), request_for()
    pipeline = build_pipeline(settings_of(model, progressive=True, warm_up=False), store)
    (preview,) = pipeline.preview([request])
    assert isinstance(preview, MadeBanner)
    assert (preview.manifest.provisional, preview.manifest.provenance.engine) == (True, "studio")
    (final,) = pipeline.make([request])
    assert isinstance(final, MadeBanner)
    assert (final.manifest.provisional, final.manifest.revision) == (False, 2)


def test_the_studio_announces_first_what_pages_show_and_all_of_it_after(request_for: RequestFor) -> None:
    store, request = FakeStore(), request_for()
    pipeline = build_pipeline(GeneratorSettings(first_sizes=(RECTANGLE.name,)), store)
    (preview,) = pipeline.preview([request])
    (final,) = pipeline.make([request])
    assert isinstance(preview, MadeBanner)
    assert isinstance(final, MadeBanner)
    assert (preview.manifest.provisional, final.manifest.provisional) == (True, False)
    assert {each.size for each in preview.manifest.renditions} == {RECTANGLE.name}
    assert {each.size for each in final.manifest.renditions} == {each.name for each in SIZES}
    assert set(preview.manifest.renditions) <= set(final.manifest.renditions), "the very same picture: nothing flickers"


def test_a_budget_is_the_models_and_the_studio_paints_beyond_it(request_for: RequestFor) -> None:
    requests = [request_for(f"p{number}") for number in range(3)]
    made = build_pipeline(GeneratorSettings(images_per_minute=1), FakeStore()).make(requests)
    assert all(isinstance(each, MadeBanner) for each in made)


def test_previews_are_not_counted_against_the_models_budget(model: Path, request_for: RequestFor) -> None:
    pipeline = build_pipeline(settings_of(model, progressive=True, warm_up=False, images_per_minute=4), FakeStore())
    previews = pipeline.preview([request_for(f"p{number}") for number in range(3)])
    assert all(isinstance(each, MadeBanner) for each in previews)


@pytest.mark.parametrize("name", ["images_per_minute", "images_per_hour"])
def test_a_budget_without_room_for_one_banner_is_a_wrong_setting(model: Path, name: str) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(ConfigurationError, match=f"{name} = 3 leaves no room"):
        build_composer(settings_of(model, **{name: 3}), executor)


def test_without_a_model_there_is_nothing_to_preview() -> None:
    assert build_pipeline(GeneratorSettings(progressive=True), FakeStore()).preview_composer is None
