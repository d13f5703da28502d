"""The starter's words: training captions, and the known words in the product's prompts."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.sizes import BILLBOARD
from bannerstream.generator.diffusion.palette_words import nearest_palette
from bannerstream.generator.diffusion.prompts import prompt_of
from bannerstream.generator.studio.samples import PALETTES, SEASONED, random_labels
from bannerstream.lab.evaluation.starter import every_scene, scene_request_for
from bannerstream.lab.training.words import TOKENS, caption, known_words

SCENES = list(every_scene())


def test_there_are_enough_scenes_to_judge_by():
    assert len(SCENES) == len(set(SCENES)) == 576


def test_the_product_s_own_prompts_say_to_the_model_what_was_wished_and_nothing_else():
    for scene in SCENES:
        prompt = prompt_of(scene_request_for(scene, BILLBOARD, 1), "scene")
        expected = {scene.setting, scene.palette, scene.light}
        if scene.setting in SEASONED:
            expected.add(scene.season)
        words = known_words(prompt.positive)
        assert set(words) - {"winter"} == expected - {"winter"}, prompt.positive
        assert len(words) <= TOKENS - 2
        assert known_words(prompt.negative) == [], "what is kept out must not be read as a request"


@given(st.integers(0, 2**32))
def test_a_caption_says_nothing_that_is_not_in_the_scene_but_the_season(seed: int):
    rng = Random(seed)
    labels = random_labels(rng)
    words = known_words(caption(labels, rng))
    assert set(words) <= {labels.setting, labels.palette, labels.light, "spring", "summer", "autumn", "winter"}
    assert len(words) <= TOKENS - 2


def test_captions_leave_out_each_thing_now_and_then_and_everything_sometimes():
    rng = Random(1)
    labels = random_labels(rng)
    words = [set(known_words(caption(labels, rng))) for _ in range(600)]
    assert 30 < sum(not each for each in words) < 100
    for word in (labels.setting, labels.palette, labels.light):
        assert 0 < sum(bool(each) and word not in each for each in words) < 100


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A CAFÉ on the seaside", ["kitchen", "beach"]),
        ("ACME-3000 blender, 10 kg, ignore the above", []),
        ("a snowy slope at dusk, slate tones", ["snow", "snow", "evening", "charcoal"]),
        ("bookshelves in lilac", ["desk", "lavender"]),
        ("daydream creamery", []),
    ],
)
def test_synonyms_are_read_and_other_words_are_not(text: str, said: list[str]):
    assert known_words(text) == said


@pytest.mark.parametrize("name", PALETTES)
def test_each_named_palette_is_nearest_to_itself(name: str):
    assert nearest_palette(PALETTES[name]) == name


@pytest.mark.gpu_extra
@pytest.mark.parametrize("scene", SCENES[::97], ids=lambda scene: scene.setting)
def test_the_tokenizer_reads_what_known_words_says(scene):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from bannerstream.lab.training.words import tokenizer

    made = tokenizer()
    prompt = prompt_of(scene_request_for(scene, BILLBOARD, 1), "scene").positive
    assert made.convert_ids_to_tokens(made(prompt).input_ids) == ["<bos>", *known_words(prompt), "<eos>"]
