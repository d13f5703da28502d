"""The packaged starter model: its size, loading by diffusers, and painting of the prompt's labels."""

import numpy as np
import pytest

from bannerstream.contracts.sizes import SIZES
from bannerstream.generator.starter import GUIDANCE, MODEL, STEPS
from bannerstream.lab.evaluation.scene_judge import JUDGE, SceneJudge
from bannerstream.lab.evaluation.starter import every_scene, scene_request_for

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]
MOST_BYTES = 25_000_000


def test_it_is_small_and_holds_no_pickles():
    files = [each for each in MODEL.parent.rglob("*") if each.is_file()]
    assert sum(each.stat().st_size for each in files) <= MOST_BYTES
    assert not [each for each in files if each.suffix in {".bin", ".ckpt", ".pt", ".pth", ".pkl"}]


def test_the_ordinary_loader_takes_it():
    diffusers = pytest.importorskip("diffusers", reason="needs `make setup-gpu`")
    loaded = diffusers.StableDiffusionPipeline.from_pretrained(MODEL)
    assert loaded.unet.config.sample_size == [12, 48]


def test_it_paints_every_size_and_the_judge_sees_what_was_asked_for():
    """Require two of three on few pictures; `evaluate starter` measures with many."""
    pytest.importorskip("diffusers", reason="needs `make setup-gpu`")
    from bannerstream.generator.diffusion import DiffusersPainter

    painter = DiffusersPainter(str(MODEL), num_inference_steps=STEPS, guidance_scale=GUIDANCE, device="cpu")
    scenes = list(every_scene())[::72]
    requests = [scene_request_for(scene, SIZES[at % len(SIZES)], at) for at, scene in enumerate(scenes)]
    painted = painter.paint(requests)
    for request, painting in zip(requests, painted, strict=True):
        assert painting.pixels.shape == (request.composition.size.height, request.composition.size.width, 3)
        assert np.std(painting.pixels) > 5
    found = SceneJudge.load(JUDGE).accuracy([each.pixels for each in painted], scenes)
    assert min(found.setting, found.palette, found.light) >= 2 / 3
