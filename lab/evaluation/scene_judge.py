"""A small classifier of a scene's setting, palette and light, to judge painted scenes.

Trained on scenes that the studio draws, with other numbers than the starter's training scenes. Insensitive to
sharpness, since a model paints softer than the studio draws, and to invisible tints.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.pipeline.ports import Pixels
from bannerstream.generator.starter import MODEL
from bannerstream.generator.studio.light import LIGHTS
from bannerstream.generator.studio.samples import PALETTES, SceneLabels
from bannerstream.generator.studio.scenes import SCENES

JUDGE = MODEL.with_name("judge.safetensors")
"""The trained judge that evaluations use."""
KINDS = ("setting", "palette", "light")
FIRST_TO_LEARN, FIRST_TO_TEST = 1_000_000, 2_000_000
"""First scene numbers (`lab.training.shards.draw_scenes`) for training and testing; the starter's count from 0."""
SHAPES = ((384, 96), (224, 160), (192, 192))

_CHANNELS = (24, 48, 96, 128)
_EPOCHS, _BATCH, _RATE = 8, 48, 3e-3
_TINT = 0.03
"""Standard deviation of the random tints, per channel, of pictures from -1 to 1: 4 of 255. Without tints a judge
distinguished cream from sage by a shade of 1 in 255, which an autoencoder does not keep."""
_NAMES = (tuple(SCENES), tuple(PALETTES), tuple(LIGHTS))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of scenes whose label was predicted correctly."""

    setting: float
    palette: float
    light: float
    scenes: int


class SceneJudge:
    """Predicts labels of scenes. `load` reads a trained judge, `train_judge` trains one."""

    def __init__(self, network: Any) -> None:
        self._network = network.eval()

    @classmethod
    def load(cls, file: Path = JUDGE) -> "SceneJudge":
        """Return the judge in a file.

        Raises:
            ConfigurationError: the file does not exist.
        """
        from safetensors.torch import load_file  # noqa: PLC0415

        if not file.is_file():
            raise ConfigurationError(f"there is no judge {file}: `bannerstream train judge --out {file}` makes one")
        network = new_network()
        network.load_state_dict({name: each.float() for name, each in load_file(file).items()})
        return cls(network)

    def save(self, file: Path) -> None:
        """Write the judge in half precision: 0.4 MB."""
        import torch  # noqa: PLC0415
        from safetensors.torch import save_file  # noqa: PLC0415

        state = self._network.state_dict()
        save_file({name: each.half() if each.dtype == torch.float32 else each for name, each in state.items()}, file)

    def labels(self, pictures: Sequence[Pixels]) -> list[tuple[str, str, str]]:
        """Return setting, palette and light of pictures of any sizes."""
        import torch  # noqa: PLC0415

        found = []
        for picture in pictures:
            with torch.inference_mode():
                scores = self._network(seen([picture]))
            setting, palette, light = (names[int(each.argmax())] for names, each in zip(_NAMES, scores, strict=True))
            found.append((setting, palette, light))
        return found

    def accuracy(self, pictures: Sequence[Pixels], labels: Sequence[SceneLabels]) -> Accuracy:
        """Return the shares of labels predicted correctly."""
        return accuracy_of(self.labels(pictures), labels)


def accuracy_of(predicted: Sequence[tuple[str, str, str]], labels: Sequence[SceneLabels]) -> Accuracy:
    """Return the shares of predictions that match the labels."""
    right = np.array([[name == getattr(scene, kind) for name, kind in zip(names, KINDS, strict=True)]
                      for names, scene in zip(predicted, labels, strict=True)])  # fmt: skip
    setting, palette, light = (float(share) for share in right.mean(axis=0))
    return Accuracy(setting, palette, light, len(right))


def train_judge(*, scenes: int, seed: int = 0, on_progress: Callable[[str], None] = lambda _: None) -> SceneJudge:
    """Return a judge trained on this many drawn scenes, in equal parts per shape."""
    import torch  # noqa: PLC0415
    from torch.nn.functional import cross_entropy  # noqa: PLC0415

    torch.manual_seed(seed)
    groups = [
        _drawn(FIRST_TO_LEARN + index * scenes, scenes // len(SHAPES), shape) for index, shape in enumerate(SHAPES)
    ]
    on_progress(f"{scenes} scenes drawn")
    network = new_network().train()
    steps = _EPOCHS * sum(len(labels) // _BATCH for _, labels in groups)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=max(steps, 1))
    for epoch in range(_EPOCHS):
        batches = [
            (group, chosen)
            for group, (_, labels) in enumerate(groups)
            for chosen in torch.randperm(len(labels)).split(_BATCH)
            if len(chosen) == _BATCH
        ]
        for index in torch.randperm(len(batches)).tolist():
            group, chosen = batches[index]
            pictures, labels = groups[group][0][chosen], groups[group][1][chosen]
            found = network(_disturbed(pictures))
            loss = sum(cross_entropy(each, labels[:, kind]) for kind, each in enumerate(found))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        on_progress(f"epoch {epoch + 1} of {_EPOCHS}: loss {float(loss.detach()):.3f}")
    return SceneJudge(network)


def new_network() -> Any:
    """Return an untrained network from pictures of any proportions to scores of every setting, palette and light."""
    from torch import nn  # noqa: PLC0415

    class Network(nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            before = 3
            for channels in _CHANNELS:
                layers += [nn.Conv2d(before, channels, 3, 2, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
                before = channels
            self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Dropout(0.2))
            self.head = nn.Linear(before * 6, sum(map(len, _NAMES)))

        def forward(self, pictures: Any) -> Any:
            return self.head(self.body(pictures)).split([len(names) for names in _NAMES], 1)

    return Network()


def seen(pictures: Sequence[Pixels]) -> Any:
    """Return pictures of one size as the judge's input: the nearest shape at half its sides, from -1 to 1."""
    import torch  # noqa: PLC0415

    height, width = pictures[0].shape[:2]
    shape = min(SHAPES, key=lambda shape: abs(np.log(shape[0] / shape[1] * height / width)))
    small = [cv2.resize(each, (shape[0] // 2, shape[1] // 2), interpolation=cv2.INTER_AREA) for each in pictures]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _drawn(first: int, count: int, shape: tuple[int, int]) -> tuple[Any, Any]:
    import torch  # noqa: PLC0415

    from bannerstream.lab.training.shards import draw_scenes  # noqa: PLC0415

    labels, pictures = draw_scenes(range(first, first + count), shape)
    numbers = [[names.index(getattr(each, kind)) for names, kind in zip(_NAMES, KINDS, strict=True)] for each in labels]
    return seen(list(pictures)), torch.tensor(numbers)


def _disturbed(pictures: Any) -> Any:
    """Return pictures mirrored, softened, tinted and with noise, at random."""
    import torch  # noqa: PLC0415
    from torch.nn.functional import interpolate  # noqa: PLC0415

    if torch.rand(()) < 0.5:
        pictures = pictures.flip(3)
    softened = torch.rand(())
    if softened < 0.6:
        small = interpolate(pictures, scale_factor=0.5 if softened < 0.4 else 0.25, mode="area")
        pictures = interpolate(small, pictures.shape[2:], mode="bilinear")
    tints = _TINT * torch.randn(len(pictures), 3, 1, 1)
    return pictures + tints + 0.03 * torch.randn_like(pictures)
