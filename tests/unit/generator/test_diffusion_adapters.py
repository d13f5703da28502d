"""Brands' adapters on tiny real pipelines: every brand in its own look, all others with the plain model."""

from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings import DiffusionSettings
from tests.support.scene_requests import scene_request

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

LORAS = """
[Ann]
adapter = "{family}-warm.safetensors"
weight = 0.9
trigger = "ann style"
"""


def painter(folder: Path, family: str, brands: Path, *, loaded: int = 4):
    from bannerstream.generator.diffusion import DiffusersPainter

    settings = DiffusionSettings(brands=brands, adapters_loaded=loaded)
    return DiffusersPainter(str(folder / family), num_inference_steps=1, device="cpu", diffusion=settings)


def brands_of(folder: Path, name: str, text: str) -> Path:
    """Write a file of brands next to the adapters."""
    file = folder / f"{name}.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "flux", "sana"])
def test_a_brand_s_lora_changes_its_banners_and_no_others(families: Path, family: str):
    made = painter(families, family, brands_of(families, f"{family}-loras", LORAS.format(family=family)))
    plain, ann, again, other = (
        made.paint([scene_request(brand=brand)])[0] for brand in (None, "ANN", None, "Unheard-of")
    )
    assert abs(plain.pixels.astype(int) - ann.pixels).max() > 1
    assert (plain.pixels == again.pixels).all()
    assert (plain.pixels == other.pixels).all()
    assert str(ann.provenance.prompt).startswith("ann style, ")
    assert str(ann.provenance.adapter).startswith(f"{family}-warm@")
    assert ann.provenance.adapter_weight == 0.9
    assert plain.provenance.adapter is None


THREE = """
[Ann]
adapter = "sd-warm.safetensors"
[Bob]
adapter = "sd-cold.safetensors"
[Cid]
adapter = "sd-warm.safetensors"
weight = 0.4
[Dot]
adapter = "sd-word.safetensors"
kind = "textual-inversion"
trigger = "<dot>"
"""


def test_loras_make_room_for_each_other_and_come_back_the_same(families: Path):
    brands = brands_of(families, "three", THREE)
    roomy, narrow = painter(families, "sd", brands), painter(families, "sd", brands, loaded=1)
    assert len(roomy._adapters.loaded) == 3
    looks = {}
    for brand in ("Ann", "Bob", "Cid", None, "Dot", "Ann", None, "Cid", "Bob"):
        kept = roomy.paint([scene_request(brand=brand)])[0].pixels
        swapped = narrow.paint([scene_request(brand=brand)])[0].pixels
        assert abs(kept.astype(int) - swapped).max() <= 1, brand
        assert abs(looks.setdefault(brand, kept).astype(int) - kept).max() <= 1, brand
        assert len(narrow._adapters.loaded) == 1
    assert len({look.tobytes() for look in looks.values()}) == 5
    assert narrow._adapters.loaded == (narrow._adapter(scene_request(brand="Bob")).name,)


def test_the_one_not_used_for_longest_makes_room(families: Path):
    made = painter(families, "sd", brands_of(families, "lru", THREE), loaded=2)
    names = {brand: made._adapter(scene_request(brand=brand)).name for brand in ("Ann", "Bob", "Cid")}
    for brand in ("Ann", "Bob", "Ann", "Cid"):
        made.paint([scene_request(brand=brand)])
    assert made._adapters.loaded == (names["Ann"], names["Cid"])


def test_a_batch_is_of_one_adapter_and_every_wish_gets_its_own(families: Path):
    made = painter(families, "sd", brands_of(families, "batch", THREE))
    scenes = [scene_request(brand=brand, seed=5) for brand in ("Ann", "Bob", None, "Ann", "ann")]
    keys = [made.batch_key(each) for each in scenes]
    assert len(set(keys)) == 3
    assert keys[0] == keys[3] == keys[4]
    assert keys[2].adapter is None
    together = [each.pixels.astype(int) for each in made.paint(scenes)]
    for picture, scene in zip(together, scenes, strict=True):
        assert abs(picture - made.paint([scene])[0].pixels).max() <= 1


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_a_textual_inversion_teaches_every_text_encoder_its_word(families: Path, family: str):
    from safetensors.torch import load_file

    file = families / f"{family}-word.safetensors"
    text = f'[Ann]\nadapter = "{file.name}"\nkind = "textual-inversion"\ntrigger = "<ann>"\n'
    made = painter(families, family, brands_of(families, f"{family}-word", text))
    (painting,) = made.paint([scene_request(brand="Ann")])
    assert str(painting.provenance.prompt).startswith("<ann>, ")
    taught = load_file(file)
    for at, name in enumerate(["clip_l", "clip_g"] if family == "sdxl" else ["<word>"], start=1):
        suffix = "" if at == 1 else f"_{at}"
        tokenizer = getattr(made._pipeline, f"tokenizer{suffix}")
        encoder = getattr(made._pipeline, f"text_encoder{suffix}")
        assert made._pipeline.maybe_convert_prompt("<ann>, a photo", tokenizer) == "<ann> <ann>_1, a photo"
        learnt = encoder.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(["<ann>", "<ann>_1"])]
        assert (learnt == taught[name]).all()


@pytest.mark.parametrize(
    ("family", "adapter", "kind"),
    [
        ("sd", "sdxl-warm", "lora"),
        ("sd", "sd3-warm", "lora"),
        ("sd3", "sd-word", "textual-inversion"),
        ("sdxl", "sd-word", "textual-inversion"),
    ],
)
def test_an_adapter_of_another_family_stops_the_start(families: Path, family: str, adapter: str, kind: str):
    trigger = '\ntrigger = "<ann>"' if kind == "textual-inversion" else ""
    text = f'[Ann]\nadapter = "{adapter}.safetensors"\nkind = "{kind}"{trigger}\n'
    with pytest.raises(ConfigurationError, match=rf"generator\.diffusion\.brands: .*{adapter}\.safetensors"):
        painter(families, family, brands_of(families, "misfit", text))


def test_a_missing_adapter_stops_the_start_before_the_model_is_loaded(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    brands = brands_of(tmp_path, "missing", '[Ann]\nadapter = "gone.safetensors"\n')
    with pytest.raises(ConfigurationError, match=r"gone\.safetensors cannot be read"):
        painter(tmp_path, "no-model-either", brands)
