"""The choice of a pipeline, and what is refused before anything is loaded."""

from pathlib import Path

import numpy as np
import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import BILLBOARD, RECTANGLE
from bannerstream.generator.diffusion.brands import brand_key, read_brands
from bannerstream.generator.diffusion.control_images import control_image
from bannerstream.generator.diffusion.families import FAMILIES
from bannerstream.generator.diffusion.init_images import init_image
from bannerstream.generator.diffusion.pipeline_choice import check_together, choose_pipeline
from bannerstream.generator.diffusion.prompts import Mode, prompt_of
from bannerstream.generator.diffusion.shapes import Shape, window_of
from bannerstream.generator.studio import StudioPainter
from bannerstream.settings import DiffusionSettings
from tests.support.scene_requests import scene_request


def chosen(pipeline_class: str, *, mode: Mode = "scene", steps: int = 4, **settings: object) -> tuple[str, str | None]:
    choice = choose_pipeline(
        pipeline_class, DiffusionSettings(**settings), model="m", mode=mode, num_inference_steps=steps
    )
    return choice.task, choice.pipeline


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_pipeline_is_loaded_as_what_it_was_saved_unless_another_task_is_asked_for(family):
    for task, pipeline_class in family.pipelines.items():
        assert chosen(pipeline_class) == (task, pipeline_class)
        for other, pipeline in family.pipelines.items():
            assert chosen(pipeline_class, task=other) == (other, pipeline)


def test_a_controlnet_makes_the_family_s_own_pipeline_for_it():
    assert chosen("StableDiffusionXLPipeline", controlnet="c") == (
        "text-to-image",
        "StableDiffusionXLControlNetPipeline",
    )
    assert chosen("FluxPipeline", controlnet="c", task="inpainting") == ("inpainting", "FluxControlNetInpaintPipeline")


@pytest.mark.parametrize(
    ("pipeline_class", "wanted", "message"),
    [
        ("SanaSprintPipeline", {"controlnet": "c"}, "SANA-Sprint for text-to-image takes no ControlNet"),
        ("StableDiffusion3Pipeline", {"controlnet": "c", "task": "image-to-image"}, "takes no ControlNet"),
        ("PixArtSigmaPipeline", {"controlnet": "c"}, "PixArtSigmaPipeline takes no ControlNet"),
        ("SanaPipeline", {"task": "inpainting"}, "it has text-to-image"),
        ("StableDiffusionInpaintPipeline", {"mode": "whole"}, "painter_mode"),
        ("StableDiffusionPipeline", {"mode": "whole", "task": "inpainting"}, "painter_mode"),
        ("StableDiffusionPipeline", {"task": "image-to-image", "strength": 0.3, "steps": 3}, "at least 4 steps"),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_to_do(
    pipeline_class: str, wanted: dict[str, object], message: str
):
    with pytest.raises(ConfigurationError, match=message):
        chosen(pipeline_class, **wanted)


def test_a_pipeline_of_no_known_family_is_left_to_diffusers():
    assert chosen("PixArtSigmaPipeline") == ("text-to-image", None)
    assert chosen("KandinskyV22InpaintCombinedPipeline") == ("inpainting", None)


@pytest.mark.parametrize("setting", [{"compile": True}, {"quantise": "int8"}])
def test_loras_go_neither_with_compilation_nor_with_quantisation(setting: dict[str, object], tmp_path: Path):
    (tmp_path / "a.safetensors").touch()
    adapters = list(read_brands(written(tmp_path, '[Ann]\nadapter = "a.safetensors"')).values())
    check_together(DiffusionSettings(), adapters)
    check_together(DiffusionSettings(**setting), [])
    with pytest.raises(ConfigurationError, match=f"{next(iter(setting))} does not go with the LoRAs"):
        check_together(DiffusionSettings(**setting), adapters)


def written(folder: Path, brands: str) -> Path:
    file = folder / "brands.toml"
    file.write_text(brands)
    return file


def test_brands_are_found_whatever_their_case_and_another_weight_is_another_adapter(tmp_path: Path):
    (tmp_path / "a b.safetensors").write_bytes(b"weights")
    brands = read_brands(
        written(
            tmp_path,
            '["Ann  & Co"]\nadapter = "a b.safetensors"\nweight = 0.8\ntrigger = "ann style"\n'
            '[Bob]\nadapter = "a b.safetensors"\n[Cid]\nadapter = "a b.safetensors"\n',
        )
    )
    ann, bob, cid = brands[brand_key("ANN & co")], brands["bob"], brands["cid"]
    assert (ann.weight, ann.trigger, bob.weight) == (0.8, "ann style", 1.0)
    assert ann.name != bob.name == cid.name, "one adapter for two brands is one batch"
    assert ann.name.replace("_", "").isalnum()
    assert ann.revision == bob.revision


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('adapter = "missing.safetensors"', "missing.safetensors cannot be read: No such file"),
        pytest.param('adapter = "a.pt"', "not a .safetensors file", id='adapter = "a.pt"-no .safetensors file'),
        ('adapter = "a.safetensors"\nweigth = 1', "weigth"),
        ('adapter = "a.safetensors"\nweight = 3.0', "<= 2"),
        ('adapter = "a.safetensors"\nkind = "textual-inversion"\ntrigger = "two words"', "its trigger is the word"),
        ('adapter = "a.safetensors"\nkind = "textual-inversion"\ntrigger = "<a>"\nweight = 0.5', "has no weight"),
        ("adapter = ", "valid is, for example"),
    ],
)
def test_a_wrong_brand_is_refused_with_the_file_s_name(table: str, message: str, tmp_path: Path):
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(ConfigurationError, match=r"brands\.toml") as refused:
        read_brands(written(tmp_path, f"[Ann]\n{table}\n"))
    assert message in str(refused.value)


def test_a_file_of_brands_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_brands(tmp_path / "brands.toml")


def test_the_trigger_comes_first_and_an_outlined_product_is_named():
    assert prompt_of(scene_request(), "scene", trigger="ann style").positive.startswith(
        "ann style, a photo of a sunlit kitchen"
    )
    outlined = prompt_of(scene_request(), "scene", outlined=True)
    assert outlined.positive.startswith("a photo of blue mug")
    assert "product" not in outlined.negative.replace("blurry product", "")


@pytest.mark.parametrize("size", [BILLBOARD, RECTANGLE], ids=lambda size: size.name)
def test_edges_are_those_of_the_product_where_the_banner_will_have_it(size):
    shape = Shape(512, 256) if size is BILLBOARD else Shape(288, 240)
    lines = control_image(scene_request(size), shape, "edges")[..., 0]
    window = window_of(shape, size)
    rows, columns = np.flatnonzero(lines.any(axis=1)), np.flatnonzero(lines.any(axis=0))
    assert rows[-1] == pytest.approx(window.top + 0.8 * window.height, abs=3)
    assert columns.mean() == pytest.approx(window.left + 0.75 * window.width, abs=3)
    assert 0 < (lines > 0).mean() < 0.1
    assert not control_image(scene_request(size, image=None), shape, "edges").any(), "nothing to draw, nothing steered"


def test_depth_has_a_far_backdrop_a_surface_that_comes_nearer_and_the_product_standing_on_it():
    depth = control_image(scene_request(), Shape(288, 240), "depth")[..., 0].astype(int)
    floor = depth[:, 4]
    assert (np.diff(floor) >= 0).all()
    assert floor[-1] - floor[0] > 150
    product = depth[120:190, 215]
    assert (product > floor[120:190]).all(), "it stands before the backdrop"
    foot = round(240 * 0.8)
    assert abs(depth[foot - 2, 215] - floor[foot]) < 40, "and on the surface"


@pytest.mark.parametrize("with_product", [False, True])
def test_image_to_image_starts_from_the_studio_s_drawing_and_with_whole_the_product_is_in_it(with_product: bool):
    request = scene_request(BILLBOARD)
    (drawing,) = StudioPainter().paint([request])
    shape = Shape(512, 256)
    start = init_image(drawing.pixels, request, shape, with_product=with_product)
    assert start.shape == (256, 512, 3)
    window = window_of(shape, BILLBOARD)
    row, column = window.top + window.height // 2, window.left + round(0.75 * window.width)
    red = start[row, column, 0] > 180 and start[row, column, 1] < 40
    assert red == with_product, "where the banner will have it"
    plain = init_image(drawing.pixels, request, shape, with_product=False)
    beyond = np.r_[0 : window.top, window.top + window.height : 256]
    assert (start[beyond] == plain[beyond]).all(), "and nowhere else"
    assert start[0].std() > 0, "mirrored beyond the banner, not blank"
