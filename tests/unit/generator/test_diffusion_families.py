"""A tiny real pipeline of every family paints with every supported setting."""

from pathlib import Path

import numpy as np
import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import BILLBOARD, RECTANGLE
from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.settings import DiffusionSettings
from tests.support.scene_requests import scene_request

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

ALL = ("sd", "sdxl", "sd3", "flux", "sana")


def painter(
    folder: Path, family: str, *, steps: int = 1, guidance: float = 0.0, mode: str = "scene", **settings: object
):
    from bannerstream.generator.diffusion import DiffusersPainter

    return DiffusersPainter(
        str(folder / family),
        num_inference_steps=steps,
        guidance_scale=guidance,
        mode=mode,
        device="cpu",
        diffusion=DiffusionSettings(**settings),
    )


def painted(folder: Path, family: str, seed: int = 1, **settings: object) -> Pixels:
    return painter(folder, family, **settings).paint([scene_request(seed=seed)])[0].pixels


@pytest.mark.parametrize("family", [*ALL, "sana-sprint"])
def test_each_family_paints_scenes_in_its_own_shape(families: Path, family: str):
    made = painter(families, family, guidance=3.0)
    paintings = made.paint([scene_request(RECTANGLE), scene_request(BILLBOARD)])
    assert [each.pixels.shape for each in paintings] == [(250, 300, 3), (250, 970, 3)]
    assert all(each.pixels.std() > 2 for each in paintings)
    assert made.batch_key(scene_request(RECTANGLE)) != made.batch_key(scene_request(BILLBOARD))
    negative = paintings[0].provenance.negative_prompt
    assert (negative is None) == (family in {"flux", "sana-sprint"}), "where guidance is distilled nothing is kept out"


@pytest.mark.parametrize(
    ("family", "task", "kind"),
    [
        ("sd", "image-to-image", "StableDiffusionImg2ImgPipeline"),
        ("sd", "inpainting", "StableDiffusionInpaintPipeline"),
        ("sdxl", "image-to-image", "StableDiffusionXLImg2ImgPipeline"),
        ("sdxl", "inpainting", "StableDiffusionXLInpaintPipeline"),
        ("sd3", "image-to-image", "StableDiffusion3Img2ImgPipeline"),
        ("sd3", "inpainting", "StableDiffusion3InpaintPipeline"),
        ("flux", "image-to-image", "FluxImg2ImgPipeline"),
        ("flux", "inpainting", "FluxInpaintPipeline"),
        ("sana-sprint", "image-to-image", "SanaSprintImg2ImgPipeline"),
    ],
)
def test_a_text_to_image_model_starts_from_a_picture_where_the_settings_say_so(families: Path, family, task, kind):
    (painting,) = painter(families, family, task=task, steps=2).paint([scene_request()])
    assert painting.provenance.painter == f"diffusers:{kind}"
    assert painting.pixels.std() > 2


@pytest.mark.parametrize("family", ALL)
def test_a_controlnet_steers_and_its_scale_is_felt(families: Path, family: str):
    net = str(families / f"{family}-controlnet")
    weak = painted(families, family, controlnet=net, controlnet_scale=0.01).astype(int)
    strong = painted(families, family, controlnet=net, controlnet_scale=2.0).astype(int)
    assert abs(weak - strong).max() > 1
    provenance = painter(families, family, controlnet=net).paint([scene_request()])[0].provenance
    assert "ControlNet" in provenance.painter
    assert "blue mug" in str(provenance.prompt), "what is outlined is named"


def test_a_controlnet_shows_the_model_what_it_was_trained_on(families: Path):
    net = str(families / "sd-controlnet")
    edges = painted(families, "sd", controlnet=net, controlnet_scale=2.0, controlnet_reads="edges").astype(int)
    depth = painted(families, "sd", controlnet=net, controlnet_scale=2.0, controlnet_reads="depth").astype(int)
    assert abs(edges - depth).max() > 1


@pytest.mark.parametrize(
    ("family", "task", "message"),
    [
        ("sd3", "inpainting", "Stable Diffusion 3 for inpainting takes no ControlNet"),
        ("sana-sprint", "text-to-image", "SANA-Sprint for text-to-image takes no ControlNet"),
    ],
)
def test_a_controlnet_where_there_is_none_is_refused_before_anything_loads(families: Path, family, task, message):
    with pytest.raises(ConfigurationError, match=message):
        painter(families, family, task=task, controlnet="/not/looked/at")


def test_another_family_s_controlnet_is_refused(families: Path):
    with pytest.raises(ConfigurationError, match="cannot be loaded as a SD3ControlNetModel"):
        painter(families, "sd3", controlnet=str(families / "flux-controlnet"))


def test_the_strength_of_image_to_image_is_how_far_it_leaves_the_drawing(families: Path):
    from bannerstream.generator.studio import StudioPainter

    drawing = StudioPainter().paint([scene_request()])[0].pixels.astype(int)
    near, far = (
        abs(painted(families, "sd", task="image-to-image", strength=strength, steps=10).astype(int) - drawing).mean()
        for strength in (0.1, 1.0)
    )
    assert near != far


@pytest.mark.parametrize("name", ["trailing", "lcm", "euler", "euler-ancestral", "dpm++"])
def test_few_step_schedulers_begin_at_the_last_step(families: Path, name: str):
    made = painter(families, "sd", scheduler=name, steps=2)
    made.paint([scene_request()])
    scheduler = made._pipeline.scheduler
    assert int(scheduler.timesteps[0]) >= 990
    assert scheduler.config.beta_schedule == "scaled_linear", "the noise that the model was trained on"


@pytest.mark.parametrize("family", ["sd3", "flux", "sana"])
def test_models_that_flow_keep_their_scheduler(families: Path, family: str):
    with pytest.raises(ConfigurationError, match=r"generator\.diffusion\.scheduler"):
        painter(families, family, scheduler="lcm")


@pytest.mark.parametrize(("family", "vae"), [("sd", "taesd"), ("sdxl", "taesd"), ("sd3", "taesd3")])
@pytest.mark.parametrize("task", ["text-to-image", "inpainting"])
def test_a_tiny_vae_paints_in_the_place_of_the_model_s_own(families: Path, family: str, vae: str, task: str):
    made = painter(families, family, tiny_vae=str(families / vae), task=task)
    assert type(made._pipeline.vae).__name__ == "AutoencoderTiny"
    assert made.paint([scene_request()])[0].pixels.shape == (250, 300, 3)


@pytest.mark.parametrize(
    ("vae", "message"), [("taesd3", "reads 16 channels"), ("sd", "cannot be loaded as an AutoencoderTiny")]
)
def test_another_family_s_tiny_vae_is_refused(families: Path, vae: str, message: str):
    with pytest.raises(ConfigurationError, match=message):
        painter(families, "sd", tiny_vae=str(families / vae))


@pytest.mark.parametrize("family", ALL)
def test_slices_and_quantised_weights_paint_nearly_the_same(families: Path, family: str):
    plain = painted(families, family).astype(int)
    thrifty = painted(families, family, vae_slicing=True, quantise="int8").astype(int)
    assert abs(plain - thrifty).mean() < 2


@pytest.mark.parametrize("family", ALL)
def test_slices_and_tiles_are_the_vae_s_own(families: Path, family: str):
    vae = painter(families, family, vae_slicing=True, vae_tiling=True)._pipeline.vae
    assert (vae.use_slicing, vae.use_tiling) == (True, True)


def test_quantised_weights_are_of_eight_bits(families: Path):
    made = painter(families, "sd3", quantise="int8")
    assert "Int8" in type(made._pipeline.transformer.transformer_blocks[0].attn.to_q.weight).__name__


def test_numbers_that_the_device_has_not_are_refused(families: Path):
    with pytest.raises(ConfigurationError, match='use "int8" on cpu'):
        painter(families, "sd", quantise="float8")


def test_compiling_compiles_what_takes_the_time(families: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    compiled: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    painter(families, "sd", compile=True)
    assert compiled == ["UNet2DConditionModel", "Decoder"]


def test_an_inpainting_model_can_do_nothing_else(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from tests.support.tiny_models import save_inpainting

    save_inpainting(tmp_path / "inpaint")
    with pytest.raises(ConfigurationError, match="made for inpainting"):
        painter(tmp_path, "inpaint", task="text-to-image")


def test_whatever_shapes_the_picture_changes_the_revision(families: Path):
    as_it_is = painter(families, "sd")._revision
    assert painter(families, "sd")._revision == as_it_is
    assert painter(families, "sd", scheduler="lcm")._revision != as_it_is
    assert painter(families, "sd", tiny_vae=str(families / "taesd"))._revision != as_it_is


def test_in_whole_the_product_is_painted_into_the_drawing(families: Path):
    paintings = [
        painter(families, "sd", task="image-to-image", strength=0.1, steps=10, mode=mode).paint([scene_request()])[0]
        for mode in ("scene", "whole")
    ]
    assert [each.holds_product for each in paintings] == [False, True]
    scene, whole = (each.pixels[100:190, 190:260].astype(int) for each in paintings)
    assert np.abs(scene - whole).mean() > 1
