"""The painter that docs/painters.md shows: short, and it paints."""

import json
from pathlib import Path

import pytest
from PIL import Image

from bannerstream.cli.main import run_command

ROOT = Path(__file__).parents[3]
PAINTER = "examples.gan_painter:GanPainter"


@pytest.fixture
def paint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BANNERSTREAM_CONFIG", raising=False)

    def run(*more: str) -> int:
        arguments = ["mug-stoneware-terracotta", "--cohort", "calm-home", "--size", "300x250", "--out", "b.png"]
        return run_command(["paint", *arguments, *more])

    return run


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    torch = pytest.importorskip("torch", reason="needs `make setup-gpu`")
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Unflatten(1, (128, 1, 1)),
        torch.nn.ConvTranspose2d(128, 16, 8),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(16, 3, 8, stride=8),
        torch.nn.Tanh(),
    )
    layers[3].weight.data *= 10  # as drawn, they paint one grey, which the gates take for a failure
    file = tmp_path / "decoder.pt"
    torch.jit.save(torch.jit.trace(layers.eval(), torch.zeros(1, 128)), file)
    return file


def test_the_example_is_as_short_as_the_page_says():
    assert len((ROOT / "examples/gan_painter.py").read_text().splitlines()) < 45
    code = (ROOT / "examples/gan_painter.py").read_text().partition("class GanPainter")[2]
    assert len(code.splitlines()) < 40


@pytest.mark.gpu_extra
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_example_paints_a_banner(paint, decoder: Path, capsys: pytest.CaptureFixture[str]):
    assert paint("--painter", PAINTER, "--model", str(decoder), "--json") == 0
    provenance = json.loads(capsys.readouterr().out)["provenance"]
    assert (provenance["painter"], provenance["fallback_reason"]) == ("gan@1", None)
    with Image.open("b.png") as banner:
        assert banner.size == (300, 250)


@pytest.mark.gpu_extra
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("painter", "message"),
    [
        ("examples.no_such_module:Painter", "No module named"),
        ("examples.gan_painter:NoSuchPainter", "NoSuchPainter"),
        (PAINTER, "/nowhere.pt"),
        ("pathlib:PurePath", "cannot be made"),
        ("nonsense", "generator.painter"),
    ],
)
def test_a_painter_that_cannot_be_made_stops_the_start(paint, painter: str, message: str, capsys):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    assert paint("--painter", painter, "--model", "/nowhere.pt") == 3
    assert message in capsys.readouterr().err
