"""The whole published chain (arXiv 2403.05578) in one command: a language model describes, a diffusion model paints.

SmolLM2 is real; the diffusion model is a tiny one with random weights, and so is the brand's adapter.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bannerstream.cli.main import run_command
from tests.support.language_models import IN_ONE_GROUP, load, smollm2_file

pytestmark = [
    pytest.mark.gpu_extra,
    IN_ONE_GROUP,
    pytest.mark.timeout(300),  # SmolLM2 is unpacked and reads its examples: half a minute on two busy cores
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]
Chain = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a diffusion model, a LoRA and the brands' file."""
    pytest.importorskip("diffusers", reason="needs `make setup-gpu`")
    from tests.support.tiny_families import save_lora
    from tests.support.tiny_models import save_text_to_image

    folder = tmp_path_factory.mktemp("models")
    save_text_to_image(folder / "tiny-sd")
    save_lora(folder / "tiny-sd", folder / "look.safetensors")
    (folder / "brands.toml").write_text(
        '["FJÄLLBERG"]\nadapter = "look.safetensors"\nweight = 0.9\ntrigger = "fjord style"\n'
    )
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_describer() -> Iterator[None]:
    """Load SmolLM2 once for every command: it is the same model, and half a minute's reading."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from bannerstream.generator.describers import transformers

    of_model = transformers.TransformersDescriber

    def of_file(file: str, device: str, *, mode: transformers.DescriberMode) -> transformers.TransformersDescriber:
        assert device == "cpu"
        return of_model(load(file), device, mode=mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers, "TransformersDescriber", of_file)
        yield


@pytest.fixture
def chain(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chain:
    """Run the command and return what it tells about the banner in `banner.png`."""
    smollm2 = smollm2_file()
    monkeypatch.chdir(tmp_path)
    Path("bannerstream.toml").write_text(
        "[generator]\n"
        'describer = "transformers"\n'
        f'describer_model = "{smollm2}"\n'
        'painter = "diffusers"\n'
        f'painter_model = "{models / "tiny-sd"}"\n'
        "painter_steps = 1\n"
        'device = "cpu"\n'
        "[generator.diffusion]\n"
        f'brands = "{models / "brands.toml"}"\n'
    )

    def run(*more: str) -> dict[str, Any]:
        arguments = ["mug-stoneware-terracotta", "--cohort", "calm-home", "--size", "300x250", "--out", "banner.png"]
        assert run_command(["--config", "bannerstream.toml", "paint", *arguments, "--json", *more]) == 0
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return report

    return run


@pytest.mark.parametrize("mode", ["scene", "whole"])
def test_a_title_becomes_a_tuple_a_prompt_in_the_brand_s_look_and_a_banner(chain: Chain, mode: str) -> None:
    report = chain("--mode", mode)
    description, provenance = report["description"], report["provenance"]
    assert description["describer"].startswith("transformers:")
    assert "mug" in description["subject"]
    assert provenance["fallback_reason"] is None, "painted by the model itself"
    assert (provenance["engine"], provenance["mode"]) == ("diffusers", mode)
    assert provenance["prompt"].startswith("fjord style, a photo of ")
    assert (description["subject"] in provenance["prompt"]) == (mode == "whole")
    assert provenance["adapter"].startswith("look@")
    assert provenance["adapter_weight"] == 0.9
    with Image.open("banner.png") as banner:
        assert banner.size == (300, 250)
