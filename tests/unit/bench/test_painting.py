"""Both painters of `python -m bench generator` paint on a tiny model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bannerstream.contracts.sizes import BannerSize
from bench.arena.painting import Model, Paints, painter, plain
from tests.support.tiny_models import save_text_to_image

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.full,  # imports torch and diffusers for two calls
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]


@pytest.mark.parametrize("load", [painter, plain], ids=["painter", "diffusers"])
def test_a_system_paints_as_many_pictures_as_it_is_given(load: Callable[[Model], Paints], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    system = load(Model(save_text_to_image(tmp_path), None, compiled=False, device="cpu"))
    size = BannerSize(64, 64, 100_000)
    assert len(system.paint(2, size)) == 2  # type: ignore[arg-type]  # a list of pictures, of one system's own type
    assert system.shape(size) == "64x64"
