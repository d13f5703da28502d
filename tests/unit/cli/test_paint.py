"""`bannerstream paint`: one banner to a file by the studio or by a real, tiny diffusion model, and what goes wrong."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bannerstream.cli.main import run_command

PRODUCT, COHORT = "mug-stoneware-terracotta", "calm-home"

BROKEN_PAINTER = """
from bannerstream.generator.errors import PaintingFailed

class Broken:
    def __init__(self, settings):
        pass
    def paint(self, scenes):
        raise PaintingFailed("out of paint")
"""

quiet_libraries = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
Paint = Callable[..., int]


@pytest.fixture
def paint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Paint:
    """Run the command in an empty folder; arguments come after product, cohort and file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BANNERSTREAM_CONFIG", raising=False)

    def run(*more: str, product: str = PRODUCT, cohort: str = COHORT, out: str = "banner.webp") -> int:
        return run_command(["paint", product, "--cohort", cohort, "--out", out, *more])

    return run


@pytest.fixture(scope="module")
def text_to_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers", reason="needs `make setup-gpu`")
    from tests.support.tiny_models import save_text_to_image

    return save_text_to_image(tmp_path_factory.mktemp("models") / "tiny-sd")


@pytest.fixture(scope="module")
def inpainting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers", reason="needs `make setup-gpu`")
    from tests.support.tiny_models import save_inpainting

    return save_inpainting(tmp_path_factory.mktemp("models") / "tiny-inpaint")


@pytest.mark.parametrize(("out", "kind"), [("b.webp", "WEBP"), ("b.jpg", "JPEG"), ("b.png", "PNG")])
def test_the_studio_paints_the_size_and_format_asked_for(
    paint: Paint, out: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paint("--size", "300x250", out=out) == 0
    with Image.open(out) as banner:
        assert (banner.format, banner.size) == (kind, (300, 250))
    output = capsys.readouterr()
    assert output.out == ""
    assert "by studio" in output.err


def test_json_says_how_the_banner_came_about(paint: Paint, capsys: pytest.CaptureFixture[str]) -> None:
    assert paint("--json", "--size", "300x250") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["size"], report["provenance"]["engine"]) == ("300x250", "studio")
    assert report["description"]["subject"] == "mug"


def test_json_tells_attempts_that_were_thrown_away(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_painter.py").write_text(BROKEN_PAINTER)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert paint("--painter", "broken_painter:Broken", "--json", "--size", "300x250") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["provenance"]["engine"] == "studio"
    assert [each["reason"] for each in report["rejected"]] == ["out of paint"] * 2
    assert len({each["seed"] for each in report["rejected"]}) == 2


@pytest.mark.parametrize(
    ("wrong", "known"),
    [({"product": "mugg"}, PRODUCT), ({"cohort": "calm"}, COHORT)],
    ids=["product", "cohort"],
)
def test_an_unknown_name_is_wrong_usage_and_the_known_ones_are_listed(
    paint: Paint, wrong: dict[str, str], known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paint(**wrong) == 2
    assert known in capsys.readouterr().err
    assert not Path("banner.webp").exists()


def test_an_unknown_size_is_wrong_usage(paint: Paint, capsys: pytest.CaptureFixture[str]) -> None:
    assert paint("--size", "1x1") == 2
    assert "970x250" in capsys.readouterr().err


def test_a_format_that_is_none_is_told(paint: Paint, capsys: pytest.CaptureFixture[str]) -> None:
    assert paint(out="banner.gif") == 3
    assert ".webp" in capsys.readouterr().err


def test_diffusers_without_a_model_names_the_setting(paint: Paint, capsys: pytest.CaptureFixture[str]) -> None:
    assert paint("--painter", "diffusers") == 3
    assert "generator.painter_model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked", [("--painter", "diffusers", "--model", "x/y"), ("--describer", "transformers", "--describer-model", "x/y")]
)
def test_without_the_libraries_it_says_how_to_install_them(
    paint: Paint, asked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # what an import of it then raises is what a lack of it raises
    assert paint(*asked) == 3
    stderr = capsys.readouterr().err
    assert "make setup-gpu" in stderr
    assert "bannerstream[gpu]" in stderr


@pytest.mark.gpu_extra
@quiet_libraries
@pytest.mark.parametrize("mode", ["scene", "whole"])
def test_a_text_to_image_model_paints_in_both_modes(
    paint: Paint, text_to_image: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--painter", "diffusers", "--model", str(text_to_image), "--mode", mode)
    assert paint(*model, "--size", "300x250", "--json") == 0
    provenance = json.loads(capsys.readouterr().out)["provenance"]
    assert provenance["model"] == "tiny-sd"
    assert (provenance["engine"], provenance["mode"]) == ("diffusers", mode)
    assert ("mug" in provenance["prompt"]) == (mode == "whole")
    with Image.open("banner.webp") as banner:
        assert banner.size == (300, 250)


@pytest.mark.gpu_extra
@quiet_libraries
def test_an_inpainting_model_paints_around_the_product_and_never_instead_of_it(
    paint: Paint, inpainting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--painter", "diffusers", "--model", str(inpainting), "--size", "300x250", "--json")
    assert paint(*model) == 0
    assert "Inpaint" in json.loads(capsys.readouterr().out)["provenance"]["painter"]
    assert paint(*model, "--mode", "whole") == 3
    assert "painter_mode" in capsys.readouterr().err


@pytest.mark.gpu_extra
@quiet_libraries
@pytest.mark.parametrize("option", ["--model", "--describer-model"])
def test_a_model_that_is_not_there_is_told(
    paint: Paint, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    kind = ("--painter", "diffusers") if option == "--model" else ("--describer", "transformers")
    assert paint(*kind, option, str(tmp_path / "nowhere")) == 3
    stderr = capsys.readouterr().err
    assert "nowhere" in stderr
    assert "Traceback" not in stderr


@pytest.mark.gpu_extra
@quiet_libraries
def test_a_model_in_pickles_is_refused(
    paint: Paint, text_to_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pickled = tmp_path / "pickled"
    for file in text_to_image.rglob("*"):
        if file.is_file():
            there = pickled / file.relative_to(text_to_image)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.with_suffix(".bin" if file.suffix == ".safetensors" else file.suffix).write_bytes(file.read_bytes())
    assert paint("--painter", "diffusers", "--model", str(pickled)) == 3
    stderr = capsys.readouterr().err
    assert "pickles" in stderr
    assert "safe_serialization" in stderr


def test_a_sweep_is_one_sheet_of_five_banners(paint: Paint, capsys: pytest.CaptureFixture[str]) -> None:
    assert paint("--sweep", "personal", "--size", "300x250", "--json", out="sheet.png") == 0
    swept = json.loads(capsys.readouterr().out)
    assert [each["personal"] for each in swept] == [0, 0.25, 0.5, 0.75, 1]
    assert [each["provenance"]["personal"] is None for each in swept] == [True, False, False, False, False]
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 300
        assert sheet.height > 5 * 250


@pytest.mark.gpu_extra
@quiet_libraries
def test_personal_style_reaches_the_prompt(
    paint: Paint, text_to_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.tiny_models import save_image_text_model

    clip = save_image_text_model(tmp_path / "tiny-clip")
    model = ("--painter", "diffusers", "--model", str(text_to_image), "--size", "300x250", "--json")
    assert paint(*model, "--personal", "1", "--personal-model", str(clip)) == 0
    provenance = json.loads(capsys.readouterr().out)["provenance"]
    style = provenance["personal"]
    assert (style["candidates"], style["judged_by"]) == (4, "tiny-clip")
    assert provenance["prompt"].count(style["preference"][0]) >= style["preference_repeats"] > 0


def test_a_weight_out_of_bounds_is_wrong_usage(paint: Paint) -> None:
    assert paint("--personal", "1.5") == 2
