"""Measures how well and how fast the starter paints what a prompt names: `bannerstream evaluate starter`.

The product's own painter paints every combination of labels from the product's own prompts, and the scene judge
predicts the labels.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import BILLBOARD, BannerSize
from bannerstream.contracts.variants import Creative
from bannerstream.generator.diffusion import DiffusersPainter
from bannerstream.generator.errors import PaintingFailed
from bannerstream.generator.pipeline.ports import Box, Composition, Painting, Pixels, SceneRequest
from bannerstream.generator.starter import GUIDANCE, MODEL, STEPS
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.samples import PALETTES, SEASONED, SceneLabels
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.generator.studio.season import SEASONS
from bannerstream.lab.evaluation.report import Figure, Report
from bannerstream.lab.evaluation.scene_judge import FIRST_TO_TEST, KINDS, SceneJudge, accuracy_of
from bannerstream.lab.training.shards import draw_scenes

_TOGETHER = 16
_TIMED = 5


@dataclass(frozen=True, slots=True)
class StarterRun:
    """The model, its settings and the scenes of one evaluation."""

    model: Path = MODEL
    steps: int = STEPS
    guidance: float = GUIDANCE
    seeds: int = 3
    size: BannerSize = BILLBOARD
    every: int = 1
    """Only every n-th combination of labels."""
    device: str = "auto"
    drawn: int = 384
    """Drawn scenes that measure the judge's own accuracy."""


def every_scene() -> Iterator[SceneLabels]:
    """Yield all 576 combinations of labels; seasons only where they are visible."""
    for setting in SCENES:
        for palette in PALETTES:
            for light in LIGHTS:
                for season in SEASONS if setting in SEASONED else SEASONS[1:2]:
                    yield SceneLabels(setting, palette, light, season)


def sampled_scenes(every: int) -> list[SceneLabels]:
    """Return one in `every` combinations, shuffled by a fixed seed: equal steps would miss some labels."""
    scenes = list(every_scene())
    Random(0).shuffle(scenes)
    return scenes[::every]


def scene_request_for(labels: SceneLabels, size: BannerSize, seed: int) -> SceneRequest:
    """Return the request of a scene without a product, in a banner's composition."""
    cohort = Cohort(
        cohort_id="sample", name="Sample", mood=("calm",), palette=PALETTES[labels.palette], light=labels.light
    )
    setting = f"{labels.season} {labels.setting}" if labels.setting in SEASONED else labels.setting
    words = Description(subject="none", attributes=(), setting=setting, describer="evaluation")
    text = Box(0.06 * size.width, 0.2 * size.height, 0.4 * size.width, 0.6 * size.height)
    product = Box(0.6 * size.width, 0.2 * size.height, 0.3 * size.width, 0.64 * size.height)
    place = Composition("evaluation", size, text, product, 0.84 * size.height, right_to_left=False, creative=Creative())
    return SceneRequest(words, cohort, place, seed, None)


def evaluate_starter(
    run: StarterRun, judge: SceneJudge, *, each: bool = False, on_progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Return the shares of labels that the judge predicts correctly, and the seconds of one picture painted alone.

    With `each`, also a row for every label.

    Raises:
        ConfigurationError: the model cannot be loaded.
    """
    painter = DiffusersPainter(
        str(run.model), num_inference_steps=run.steps, guidance_scale=run.guidance, device=run.device
    )
    labels = sampled_scenes(run.every) * run.seeds
    requests = [scene_request_for(scene, run.size, seed) for seed, scene in enumerate(labels)]
    predicted: list[tuple[str, str, str]] = []
    for start in range(0, len(requests), _TOGETHER):
        predicted += judge.labels(_painted(painter, requests[start : start + _TOGETHER]))
        on_progress(f"{len(predicted)} of {len(requests)} scenes")
    rows = [
        {"scenes": "painted", **_row(predicted, labels), "seconds_alone": _seconds_alone(painter, run.size)},
        {"scenes": "drawn", **_drawn_row(judge, run), "seconds_alone": None},
    ]
    if each:
        rows += [
            {"scenes": f"{kind} {name}", **_row(*_only(predicted, labels, kind, name)), "seconds_alone": None}
            for kind in KINDS
            for name in dict.fromkeys(getattr(scene, kind) for scene in labels)
        ]
    notes = {
        "model": f"{run.model.name}, {run.size.name}, {run.steps} steps, guidance {run.guidance:g}",
        "drawn": "the judge on scenes that the studio drew and nothing was trained on: the upper bound",
    }
    return Report("starter", rows, notes)


def _painted(painter: DiffusersPainter, requests: Sequence[SceneRequest]) -> list[Pixels]:
    return [_pixels(each) for each in painter.paint(requests)]


def _pixels(outcome: Painting | PaintingFailed) -> Pixels:
    if isinstance(outcome, PaintingFailed):
        raise outcome
    return outcome.pixels


def _seconds_alone(painter: DiffusersPainter, size: BannerSize) -> float:
    """Return the median time of a few single pictures."""
    took = []
    for seed, scene in enumerate(islice(every_scene(), _TIMED)):
        started = time.perf_counter()
        painter.paint([scene_request_for(scene, size, seed)])
        took.append(time.perf_counter() - started)
    return sorted(took)[_TIMED // 2]


def _drawn_row(judge: SceneJudge, run: StarterRun) -> dict[str, Figure]:
    labels, pictures = draw_scenes(range(FIRST_TO_TEST, FIRST_TO_TEST + run.drawn), (run.size.width, run.size.height))
    return _row(judge.labels(list(pictures)), labels)


def _row(predicted: Sequence[tuple[str, str, str]], labels: Sequence[SceneLabels]) -> dict[str, Figure]:
    found = accuracy_of(predicted, labels)
    return {"setting": found.setting, "palette": found.palette, "light": found.light, "judged": found.scenes}


def _only(
    predicted: Sequence[tuple[str, str, str]], labels: Sequence[SceneLabels], kind: str, name: str
) -> tuple[list[tuple[str, str, str]], list[SceneLabels]]:
    chosen = [index for index, scene in enumerate(labels) if getattr(scene, kind) == name]
    return [predicted[index] for index in chosen], [labels[index] for index in chosen]
