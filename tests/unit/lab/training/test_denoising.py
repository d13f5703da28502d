"""The starter's training on tiny networks: stopped and continued, saved, loaded, painted with."""

from pathlib import Path

import numpy as np
import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import BILLBOARD, RECTANGLE
from bannerstream.lab.evaluation.starter import every_scene, scene_request_for

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

SHAPES = ((64, 32), (32, 32))
SCENES = 8


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training with an untrained autoencoder and three shards."""
    torch = pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from bannerstream.lab.training.parts import new_autoencoder
    from bannerstream.lab.training.shards import write_shard

    torch.manual_seed(3)  # of other weights it may paint nothing but black, which the painter refuses
    folder = tmp_path_factory.mktemp("training")
    new_autoencoder().save_pretrained(folder / "autoencoder")
    (folder / "shards").mkdir()
    for number in range(3):
        numbers = range(number * SCENES, (number + 1) * SCENES)
        file = folder / "shards" / f"{number:06}.safetensors"
        write_shard(file, folder / "autoencoder", numbers, SHAPES[number % 2])
    return folder


def plan(steps: int, **more: int):
    from bannerstream.lab.training.denoiser import Plan
    from bannerstream.lab.training.parts import NetworkSize

    small = NetworkSize(text_width=32, channels=(16, 16, 16), norm_groups=4)
    return Plan(
        steps, pooled_steps=2, batch=2, pooled_batch=4, shards_first=2, steps_per_shard=1000, size=small, **more
    )


def training(steps: int, begun: Path, *, go_on: Path | None = None):
    from bannerstream.lab.training.denoiser import DenoiserTraining
    from bannerstream.lab.training.shards import Shards

    made = DenoiserTraining(plan(steps, cool_down=0), "cpu")
    if go_on is not None:
        made.load(go_on)
    with Shards(begun / "shards", begun / "autoencoder") as shards:
        progress = list(made.run(shards))
    return made, progress


def weights(made):
    return [each.numpy() for network in made.averaged() for each in network.state_dict().values()]


def test_a_training_that_was_stopped_goes_on_to_the_bit(begun: Path, tmp_path: Path):
    through, progress = training(5, begun)
    stopped, _ = training(3, begun)
    stopped.save(tmp_path / "checkpoint.pt")
    gone_on, progress_after = training(5, begun, go_on=tmp_path / "checkpoint.pt")
    assert [each.loss for each in progress[3:]] == [each.loss for each in progress_after]
    assert [each.pooled for each in progress] == [True, True, False, False, False]
    for one, other in zip(weights(through), weights(gone_on), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_trains_otherwise_and_every_network_learns(begun: Path):
    from bannerstream.lab.training.denoiser import DenoiserTraining

    made, _ = training(3, begun)
    fresh = DenoiserTraining(plan(3, cool_down=0), "cpu")
    for before, after in zip(fresh.averaged(), made.averaged(), strict=True):
        changed = [
            not np.array_equal(one.detach().numpy(), other.detach().numpy())
            for one, other in zip(before.parameters(), after.parameters(), strict=True)
        ]
        assert any(changed)
    other = DenoiserTraining(plan(3, cool_down=0, seed=1), "cpu")
    assert any(not np.array_equal(one, two) for one, two in zip(weights(fresh), weights(other), strict=True))


def test_the_rate_rises_stays_and_falls_to_nothing():
    from bannerstream.lab.training.denoiser import Plan

    course = Plan(1000, cool_down=200)
    assert course.rate_at(0) < course.rate_at(50) < course.rate_at(100) == course.rate_at(799) == course.rate
    assert course.rate_at(900) == pytest.approx(course.rate / 2)
    assert course.rate_at(999) < course.rate / 100


def test_new_shards_come_and_old_ones_go():
    from bannerstream.lab.training.denoiser import Plan

    course = Plan(1000, shards_first=2, steps_per_shard=10, shards_kept=3)
    assert [course.shards_at(step) for step in (0, 10, 30)] == [range(2), range(3), range(2, 5)]


def test_a_shard_holds_each_scene_as_drawn_and_mirrored(begun: Path):
    from bannerstream.lab.training.shards import draw_scenes, read_shard

    shard = read_shard(begun / "shards" / "000000.safetensors")
    labels, _ = draw_scenes(range(SCENES), SHAPES[0])
    assert shard.latents.shape == (2 * SCENES, 4, SHAPES[0][1] // 8, SHAPES[0][0] // 8)
    assert [shard.labels_of(at) for at in range(2 * SCENES)] == labels * 2


def test_what_was_trained_is_saved_loaded_and_painted_with_and_gone_on_from(begun: Path):
    from bannerstream.generator.diffusion import DiffusersPainter
    from bannerstream.lab.training.starter import StarterOptions, train_starter

    options = StarterOptions(begun, plan(4, cool_down=2), device="cpu", sheet=(1, 1))
    model = train_starter(options, lambda _: None, stopped=lambda: True)
    assert (begun / "sheets" / "0000001.png").is_file(), "it stopped after a step, and left a checkpoint"
    train_starter(options, lambda _: None)
    assert (begun / "sheets" / "0000004.png").is_file()
    assert (begun / "before-cool-down.pt").is_file()

    painter = DiffusersPainter(str(model), num_inference_steps=2, guidance_scale=2.0, device="cpu")
    scene = next(every_scene())
    wide, narrow = painter.paint([scene_request_for(scene, size, 1) for size in (BILLBOARD, RECTANGLE)])
    assert wide.pixels.shape == (250, 970, 3)
    assert narrow.pixels.shape == (250, 300, 3)
    assert wide.provenance.negative_prompt
    assert painter.batch_key(scene_request_for(scene, BILLBOARD, 1)).shape.width == 384, (
        "painted as wide as it was trained"
    )


def test_weights_are_begun_from_where_they_fit(begun: Path, tmp_path: Path):
    from bannerstream.lab.training.denoiser import DenoiserTraining
    from bannerstream.lab.training.parts import new_denoiser, new_text_encoder, save_pipeline, take_over_weights

    course = plan(1, cool_down=0)
    save_pipeline(tmp_path / "model", begun / "autoencoder", *DenoiserTraining(course, "cpu").averaged())
    text, unet = new_text_encoder(course.size), new_denoiser(course.size)
    for parameter in (*text.parameters(), *unet.parameters()):
        parameter.data.zero_()
    everything = sum(each.numel() for network in (text, unet) for each in network.state_dict().values())
    assert take_over_weights(tmp_path / "model", text, unet) == everything
    with pytest.raises(ConfigurationError, match="Stable Diffusion"):
        take_over_weights(tmp_path, text, unet)


def test_a_folder_without_an_autoencoder_says_what_to_run(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from bannerstream.lab.training.starter import StarterOptions, train_starter

    with pytest.raises(ConfigurationError, match="train autoencoder"):
        train_starter(StarterOptions(tmp_path, plan(1)), lambda _: None)
    (tmp_path / "autoencoder").mkdir()
    (tmp_path / "autoencoder" / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="reheat"):
        train_starter(StarterOptions(tmp_path, plan(1), reheat=True), lambda _: None)
