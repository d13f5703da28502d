"""The diffusers painter on real pipelines with random weights."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import BILLBOARD, LEADERBOARD, RECTANGLE, SIZES, BannerSize
from bannerstream.generator.diffusion.init_images import inpaint_inputs
from bannerstream.generator.diffusion.painter import _light_side
from bannerstream.generator.diffusion.prompts import prompt_of
from bannerstream.generator.diffusion.shapes import Shape, fitted, shape_for, window_of
from bannerstream.generator.errors import BlackPicture, OutOfMemory, PaintingFailed
from bannerstream.generator.pipeline.ports import Painting
from tests.support.scene_requests import scene_request


def test_the_prompt_of_a_scene_leaves_the_product_out_and_of_a_whole_names_it_first():
    assert "mug" not in prompt_of(scene_request(), "scene").positive
    assert prompt_of(scene_request(), "whole").positive.startswith("a photo of blue mug, on a sunlit kitchen counter")
    assert all("golden hour light" in prompt_of(scene_request(), mode).positive for mode in ("scene", "whole"))
    assert "text" in prompt_of(scene_request(), "scene").negative


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("multiple", [8, 32, 64])
def test_shapes_are_what_the_model_can_paint_and_are_cut_to_the_exact_size(size: BannerSize, multiple: int):
    shape = shape_for(size, pixels=512 * 512, multiple=multiple)
    assert (shape.width % multiple, shape.height % multiple) == (0, 0)
    assert 0.6 < shape.width * shape.height / 512**2 < 1.5
    assert shape.width / shape.height <= 2.2
    assert fitted(np.zeros((shape.height, shape.width, 3), np.uint8), size).shape == (size.height, size.width, 3)


def test_both_wide_banners_share_a_shape_so_they_are_painted_together():
    assert shape_for(BILLBOARD, pixels=512**2, multiple=64) == shape_for(LEADERBOARD, pixels=512**2, multiple=64)


def test_an_inpainting_model_is_shown_the_product_where_the_banner_will_have_it():
    shape = Shape(128, 64)
    picture, mask = inpaint_inputs(scene_request(BILLBOARD), shape)
    assert (picture.shape, mask.shape) == ((64, 128, 3), (64, 128))
    kept = fitted(np.repeat(mask[..., None], 3, axis=2), BILLBOARD)[..., 0] < 64
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    assert rows[-1] == pytest.approx(BILLBOARD.height * 0.8, abs=12)
    assert columns.mean() == pytest.approx(BILLBOARD.width * 0.75, abs=12)
    window = window_of(shape, BILLBOARD)
    assert (mask[: window.top] == 255).all()
    assert (inpaint_inputs(scene_request(BILLBOARD, image=None), shape)[1] == 255).all()


@pytest.mark.parametrize(("left", "right", "side"), [(200, 60, "left"), (60, 200, "right"), (120, 122, "above")])
def test_light_comes_from_the_brighter_side_and_looking_is_cheap(left: int, right: int, side: str):
    slope = np.linspace(left, right, 1080).astype(np.uint8)
    pixels = np.ascontiguousarray(np.broadcast_to(slope[None, :, None], (1080, 1080, 3)))
    tracemalloc.start()
    assert _light_side(pixels) == side
    assert tracemalloc.get_traced_memory()[1] < pixels.nbytes / 10, "it is shrunk before it is looked at"
    tracemalloc.stop()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from tests.support.tiny_models import save_inpainting, save_text_to_image

    folder = tmp_path_factory.mktemp("models")
    save_text_to_image(folder / "t2i")
    save_inpainting(folder / "inpaint")
    return folder


@pytest.mark.gpu_extra
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # the libraries' own
class TestWithTorch:
    """Real pipelines; skipped without the [gpu] extra."""

    @pytest.mark.parametrize(("model", "kind"), [("t2i", "StableDiffusionPipeline"), ("inpaint", "Inpaint")])
    def test_scenes_come_in_every_size_and_say_what_painted_them(self, models: Path, model: str, kind: str):
        from bannerstream.generator.diffusion import DiffusersPainter

        painter = DiffusersPainter(str(models / model), num_inference_steps=1, device="cpu")
        paintings = painter.paint([scene_request(size) for size in (BILLBOARD, RECTANGLE, LEADERBOARD)])
        assert [each.pixels.shape[:2] for each in paintings] == [(250, 970), (250, 300), (90, 728)]
        provenance = paintings[0].provenance
        assert kind in provenance.painter
        assert (provenance.engine, provenance.mode, provenance.model) == ("diffusers", "scene", model)
        assert provenance.model_revision is not None
        assert "kitchen counter" in str(provenance.prompt)
        assert not paintings[0].holds_product

    def test_whole_paints_the_product_and_says_so(self, models: Path):
        from bannerstream.generator.diffusion import DiffusersPainter

        (painting,) = DiffusersPainter(str(models / "t2i"), mode="whole", num_inference_steps=1, device="cpu").paint(
            [scene_request()]
        )
        assert painting.holds_product
        assert "blue mug" in str(painting.provenance.prompt)

    def test_an_inpainting_model_cannot_paint_the_whole(self, models: Path):
        from bannerstream.generator.diffusion import DiffusersPainter

        with pytest.raises(ConfigurationError, match="text-to-image"):
            DiffusersPainter(str(models / "inpaint"), mode="whole", device="cpu")

    def test_a_seed_means_the_same_picture_in_any_batch(self, models: Path):
        from bannerstream.generator.diffusion import DiffusersPainter

        painter = DiffusersPainter(str(models / "t2i"), num_inference_steps=1, device="cpu")
        alone = painter.paint([scene_request(seed=7)])[0].pixels.astype(int)
        first, second = (
            painting.pixels.astype(int) for painting in painter.paint([scene_request(seed=8), scene_request(seed=7)])
        )
        assert abs(alone - second).max() <= 1
        assert abs(first - second).max() > 1

    def test_a_batch_that_memory_does_not_hold_says_how_large_it_was(self, models: Path, monkeypatch):
        import torch

        from bannerstream.generator.diffusion import DiffusersPainter

        painter = DiffusersPainter(str(models / "t2i"), num_inference_steps=1, device="cpu")

        def scarce(**_: object):
            raise torch.OutOfMemoryError("tried to allocate 2 GiB")

        monkeypatch.setattr(painter, "_pipeline", scarce)
        with pytest.raises(OutOfMemory, match=r"for 3 pictures of .*tried to allocate 2 GiB"):
            painter.paint([scene_request(seed=seed) for seed in range(3)])

    def test_sizes_of_one_shape_are_painted_together(self, models: Path):
        from bannerstream.generator.diffusion import DiffusersPainter

        painter = DiffusersPainter(str(models / "t2i"), num_inference_steps=1, device="cpu")
        billboard, leaderboard, rectangle = (
            painter.batch_key(scene_request(size)) for size in (BILLBOARD, LEADERBOARD, RECTANGLE)
        )
        assert billboard == leaderboard != rectangle

    @pytest.mark.parametrize("level", [0.0, float("nan")])
    def test_a_black_picture_is_a_failure_and_its_neighbour_is_none(self, models: Path, monkeypatch, level: float):
        from types import SimpleNamespace

        from bannerstream.generator.diffusion import DiffusersPainter

        painter = DiffusersPainter(str(models / "t2i"), num_inference_steps=1, device="cpu")
        monkeypatch.setattr(
            painter,
            "_pipeline",
            lambda **_: SimpleNamespace(images=[np.full((64, 64, 3), each) for each in (level, 0.5)]),
        )
        black, grey = painter.paint([scene_request(), scene_request()])
        assert isinstance(black, BlackPicture)
        assert isinstance(grey, Painting)

    def test_a_picture_is_fitted_when_it_is_finished_and_not_before(self, models: Path):
        from bannerstream.generator.diffusion import DiffusersPainter

        fits = []
        painter = DiffusersPainter(
            str(models / "t2i"),
            num_inference_steps=1,
            device="cpu",
            fit=lambda *call: fits.append(call) or fitted(*call),
        )
        first, second = painter.paint_raw([scene_request(RECTANGLE), scene_request(BILLBOARD)])
        assert not fits
        assert [finish().pixels.shape[:2] for finish in (second, first)] == [(250, 970), (250, 300)]
        assert len(fits) == 2

    def test_what_the_model_raises_is_a_failed_painting(self, models: Path, monkeypatch):
        from bannerstream.generator.diffusion import DiffusersPainter

        painter = DiffusersPainter(str(models / "t2i"), num_inference_steps=1, device="cpu")

        def broken(**_: object):
            raise RuntimeError("CUDA error")

        monkeypatch.setattr(painter, "_pipeline", broken)
        with pytest.raises(PaintingFailed, match="CUDA error"):
            painter.paint([scene_request()])

    def test_pickled_weights_are_refused(self, models: Path, tmp_path: Path):
        import shutil

        from bannerstream.generator.diffusion import DiffusersPainter

        shutil.copytree(models / "t2i", tmp_path / "pickled")
        for file in (tmp_path / "pickled").rglob("*.safetensors"):
            file.rename(file.with_suffix(".bin"))
        with pytest.raises(ConfigurationError, match="only pickles"):
            DiffusersPainter(str(tmp_path / "pickled"), device="cpu")

    def test_a_folder_that_holds_no_pipeline_is_refused(self, tmp_path: Path):
        pytest.importorskip("torch", reason="needs `make setup-gpu`")
        from bannerstream.generator.diffusion import DiffusersPainter

        with pytest.raises(ConfigurationError, match="model_index"):
            DiffusersPainter(str(tmp_path), device="cpu")
