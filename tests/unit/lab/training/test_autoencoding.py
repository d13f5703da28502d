"""A few steps of the autoencoder's training, from scratch and from a pipeline's autoencoder."""

from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.starter import MODEL

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

SCENES = 16
UNSEEN = 4_000_000


@pytest.fixture(autouse=True)
def torch():
    """Return torch; skip the tests without it."""
    return pytest.importorskip("torch", reason="needs `make setup-gpu`")


def test_one_from_nothing_learns(tmp_path: Path):
    from bannerstream.lab.training.autoencoder import train_autoencoder

    losses: list[tuple[int, float]] = []
    decibels = train_autoencoder(
        tmp_path, steps=12, scenes=SCENES, on_progress=lambda step, loss: losses.append((step, loss))
    )
    assert [step for step, _ in losses] == list(range(1, 13))
    assert sum(loss for _, loss in losses[-4:]) < sum(loss for _, loss in losses[:4])
    assert decibels > 0
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()


def test_the_packaged_one_taken_further_keeps_its_latents(tmp_path: Path, torch):
    from diffusers import AutoencoderTiny

    from bannerstream.lab.training.autoencoder import train_autoencoder
    from bannerstream.lab.training.shards import as_tensor, draw_scenes

    decibels = train_autoencoder(tmp_path, steps=4, scenes=SCENES, begin=MODEL)
    assert decibels > 25  # one from nothing is at about 6
    before, after = (AutoencoderTiny.from_pretrained(each).float() for each in (MODEL / "vae", tmp_path))
    scenes = as_tensor(draw_scenes(range(UNSEEN, UNSEEN + 4), (96, 96))[1])
    with torch.inference_mode():
        apart = (after.encoder(scenes) - before.encoder(scenes)).square().mean().sqrt()
        moved = any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    assert apart < 0.3  # of a spread of 1
    assert moved


def test_a_folder_without_an_autoencoder_is_refused(tmp_path: Path):
    from bannerstream.lab.training.autoencoder import train_autoencoder

    with pytest.raises(ConfigurationError, match="Stable Diffusion pipeline"):
        train_autoencoder(tmp_path / "out", steps=1, scenes=SCENES, begin=tmp_path)
