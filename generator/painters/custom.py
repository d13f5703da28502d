"""Painters of the shop's own: named in the settings as `module:Class`, as docs/painters.md shows."""

import importlib
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.generator.errors import PaintingFailed
from bannerstream.generator.pipeline.ports import Painter, Painting, SceneRequest
from bannerstream.settings import GeneratorSettings


@dataclass(frozen=True, slots=True)
class CustomPainter:
    """A painter of the shop's own as the server wants it: its pictures come finished."""

    painter: Painter
    key: Callable[[SceneRequest], Hashable]

    def batch_key(self, scene: SceneRequest) -> Hashable:
        """Return what it says can be painted together."""
        return self.key(scene)

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> Sequence[Painting | PaintingFailed]:
        """Paint as the painter does."""
        return self.painter.paint(scenes)


def load_custom_painter(settings: GeneratorSettings) -> CustomPainter:
    """Return `Class(settings)` of the module that `generator.painter` names; the working folder is looked in too.

    Where it has no `batch_key` of its own, pictures of one size are painted together.

    Raises:
        ConfigurationError: there is no such class, it cannot be made, or it has no `paint`.
    """
    module_name, _, class_name = settings.painter.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    setting = f'generator.painter = "{settings.painter}"'
    try:
        painter: Painter = getattr(importlib.import_module(module_name), class_name)(settings)
    except ConfigurationError:
        raise
    except Exception as error:  # whatever another's module does when it is imported or made
        raise ConfigurationError(
            f'{setting} cannot be made: {type(error).__name__}: {error} (valid is "studio", "diffusers" or the class '
            'of a module on the path, for example "my_shop.painters:GanPainter")'
        ) from error
    if not callable(getattr(painter, "paint", None)):
        raise ConfigurationError(f"{setting} has no method paint(scenes); docs/painters.md shows one")
    return CustomPainter(painter, getattr(painter, "batch_key", _size))


def _size(scene: SceneRequest) -> str:
    return scene.composition.size.name
