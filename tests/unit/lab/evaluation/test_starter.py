"""The counting of the scene judge and of the starter's evaluation, on an untrained model."""

from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.samples import PALETTES, SceneLabels
from bannerstream.lab.evaluation.scene_judge import SceneJudge, accuracy_of
from bannerstream.lab.evaluation.starter import sampled_scenes


def test_accuracy_counts_each_label_for_itself():
    scenes = [SceneLabels("kitchen", "sage", "day"), SceneLabels("snow", "blue", "golden")]
    predicted = [("kitchen", "sage", "evening"), ("snow", "cream", "day")]
    found = accuracy_of(predicted, scenes)
    assert (found.setting, found.palette, found.light, found.scenes) == (1.0, 0.5, 0.0, 2)


@pytest.mark.parametrize("every", [4, 16])
def test_a_part_of_the_scenes_has_every_label(every: int):
    scenes = sampled_scenes(every)
    assert len(scenes) == 576 // every
    assert {scene.light for scene in scenes} == set(LIGHTS)
    assert {scene.palette for scene in scenes} == set(PALETTES)


def test_a_judge_that_is_not_there_says_how_to_make_one(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    with pytest.raises(ConfigurationError, match="train judge"):
        SceneJudge.load(tmp_path / "judge.safetensors")


@pytest.mark.gpu_extra
def test_a_saved_judge_tells_the_same_of_scenes_of_any_size(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    import torch

    from bannerstream.lab.evaluation.scene_judge import new_network
    from bannerstream.lab.training.shards import draw_scenes

    torch.manual_seed(0)
    network = new_network()
    judge = SceneJudge(network)
    judge.save(tmp_path / "judge.safetensors")
    assert (tmp_path / "judge.safetensors").stat().st_size < 1_000_000
    again = SceneJudge.load(tmp_path / "judge.safetensors")
    pictures = [draw_scenes([number], shape)[1][0] for number, shape in enumerate([(384, 96), (300, 250), (192, 192)])]
    assert again.labels(pictures) == judge.labels(pictures)


@pytest.mark.gpu_extra
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_learning_judge_tells_drawn_scenes_apart(tmp_path: Path):
    """Shuffled labels or a wrong input format would fail this test."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from bannerstream.lab.evaluation.scene_judge import FIRST_TO_LEARN, train_judge
    from bannerstream.lab.training.shards import draw_scenes

    judge = train_judge(scenes=3 * 48)
    labels, pictures = draw_scenes(range(FIRST_TO_LEARN, FIRST_TO_LEARN + 48), (384, 96))
    found = judge.accuracy(list(pictures), labels)
    assert found.light > 0.45, "chance: 0.25; it has seen each of these scenes eight times"


@pytest.mark.gpu_extra
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_an_evaluation_has_a_row_for_what_was_painted_drawn_and_each_label(tmp_path: Path):
    pytest.importorskip("diffusers", reason="needs `make setup-gpu`")
    from bannerstream.lab.evaluation.scene_judge import new_network
    from bannerstream.lab.evaluation.starter import StarterRun, evaluate_starter
    from tests.support.tiny_models import save_text_to_image

    run = StarterRun(
        save_text_to_image(tmp_path / "tiny"), steps=1, guidance=0.0, seeds=1, every=96, device="cpu", drawn=4
    )
    report = evaluate_starter(run, SceneJudge(new_network()), each=True)
    rows = {row["scenes"]: row for row in report.rows}
    assert rows["painted"]["judged"] == 6
    assert rows["drawn"]["judged"] == 4
    assert {name for name in rows if name.startswith("palette")} >= {"palette honey"}
    assert sum(row["judged"] for name, row in rows.items() if name.startswith("setting")) == 6
