"""Training scenes: drawn by the studio, encoded once, stored as shards of one shape.

A shard's number and seed determine its content, no matter which process draws it: a training can continue on any
machine, and new shards are drawn while it runs.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Self

import numpy as np

from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.samples import PALETTES, SceneLabels, draw_scene, random_labels
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.generator.studio.season import SEASONS

SHAPES = ((384, 96), (224, 160), (384, 96), (192, 192))
"""Width and height of shards 0 to 3, then repeated: proportions of billboard and leaderboard, rectangle and square, of
about equal area. Sides are multiples of 32, as required by a U-Net of three levels on an 8-fold autoencoder."""
SCENES_PER_SHARD = 256

_SETTINGS, _PALETTES, _LIGHTS = list(SCENES), list(PALETTES), list(LIGHTS)


@dataclass(frozen=True, slots=True)
class Shard:
    """Encoded scenes of one shape."""

    latents: Any
    """Twice the scenes x 4 x height x width, float16: as drawn, then mirrored."""
    labels: tuple[SceneLabels, ...]
    """Labels of the scenes as drawn."""

    def labels_of(self, index: int) -> SceneLabels:
        """Return the labels of a latent."""
        return self.labels[index % len(self.labels)]


def draw_scenes(numbers: Sequence[int], shape: tuple[int, int]) -> tuple[list[SceneLabels], Pixels]:
    """Return the labels and pixels (n x height x width x 3) of the scenes with these numbers.

    A scene's number determines everything in it. The judge's training and test scenes start at other millions
    (`lab.evaluation.scene_judge`).
    """
    labels = [random_labels(Random(number)) for number in numbers]
    pictures = [draw_scene(each, *shape, seed=number) for each, number in zip(labels, numbers, strict=True)]
    return labels, np.stack(pictures)


class Shards:
    """The shards of a folder; missing ones are drawn by worker processes ahead of their use.

    Use as a context manager, which ends the processes.
    """

    def __init__(
        self,
        folder: Path,
        autoencoder: Path,
        *,
        workers: int = 1,
        scenes: int = SCENES_PER_SHARD,
        shapes: Sequence[tuple[int, int]] = SHAPES,
    ) -> None:
        self._folder, self._autoencoder, self._scenes, self._shapes = folder, autoencoder, scenes, tuple(shapes)
        # Spawned: a forked child of a process that runs torch hangs in its thread pool.
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        self._coming: dict[int, Future[None]] = {}
        self._read: dict[int, Shard] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def prepare(self, number: int) -> None:
        """Start drawing a shard if it is missing, without waiting for it."""
        if number not in self._coming and not self._file(number).exists():
            shape = self._shapes[number % len(self._shapes)]
            first = number * self._scenes
            self._coming[number] = self._pool.submit(
                write_shard, self._file(number), self._autoencoder, range(first, first + self._scenes), shape
            )

    def shard(self, number: int) -> Shard:
        """Return a shard, waiting until it is drawn."""
        if number not in self._read:
            self.prepare(number)
            if number in self._coming:
                self._coming.pop(number).result()
            self._read[number] = read_shard(self._file(number))
        return self._read[number]

    def drop_before(self, number: int) -> None:
        """Drop shards that are no longer used, on disk too."""
        for old in [each for each in self._read if each < number]:
            del self._read[old]
            self._file(old).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06}.safetensors"


def write_shard(file: Path, autoencoder: Path, numbers: Sequence[int], shape: tuple[int, int]) -> None:
    """Draw scenes, encode them as drawn and mirrored, and write both with their labels."""
    import torch  # noqa: PLC0415
    from diffusers import AutoencoderTiny  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415

    torch.set_num_threads(1)
    encoder = AutoencoderTiny.from_pretrained(autoencoder, torch_dtype=torch.float32).encoder.eval()
    labels, pictures = draw_scenes(numbers, shape)
    with torch.inference_mode():
        halves = [
            encoder(as_tensor(batch)).half()
            for side in (pictures, pictures[:, :, ::-1])
            for batch in np.array_split(side, max(1, len(side) // 32))
        ]
    partial = file.with_suffix(f".{os.getpid()}")
    save_file(
        {"latents": torch.cat(halves).contiguous(), "labels": torch.tensor([_numbered(each) for each in labels])},
        partial,
    )
    partial.replace(file)


def read_shard(file: Path) -> Shard:
    """Return a shard from its file."""
    from safetensors.torch import load_file  # noqa: PLC0415

    tensors: Mapping[str, Any] = load_file(file)
    return Shard(tensors["latents"], tuple(_named(row) for row in tensors["labels"].tolist()))


def as_tensor(pictures: Pixels) -> Any:
    """Return pictures (n x height x width x 3, bytes) as network input: n x 3 x height x width, -1 to 1."""
    import torch  # noqa: PLC0415

    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _numbered(labels: SceneLabels) -> tuple[int, int, int, int]:
    return (
        _SETTINGS.index(labels.setting),
        _PALETTES.index(labels.palette),
        _LIGHTS.index(labels.light),
        SEASONS.index(labels.season),
    )


def _named(numbers: Sequence[int]) -> SceneLabels:
    setting, palette, light, season = numbers
    return SceneLabels(_SETTINGS[setting], _PALETTES[palette], _LIGHTS[light], SEASONS[season])
