"""Loads a shop's own painter, which the settings name as `module:Class`; docs/painters.md shows one."""

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
    """Adapts a shop's painter to the paint server: its pictures arrive finished."""

    painter: Painter
    key: Callable[[SceneRequest], Hashable]

    def batch_key(self, scene: SceneRequest) -> Hashable:
        """Return the painter's own batch key."""
        return self.key(scene)

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> Sequence[Painting | PaintingFailed]:
        """Paint with the shop's painter."""
        return self.painter.paint(scenes)


def load_custom_painter(settings: GeneratorSettings) -> CustomPainter:
    """Return `Class(settings)` of the module that `generator.painter` names; the working folder is searched too.

    Without a `batch_key` method, pictures of one size are painted together.

    Raises:
        ConfigurationError: the class does not exist, raises when it is created, or has no `paint` method.
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
    except Exception as error:  # a shop's module may raise anything when imported or called
        raise ConfigurationError(
            f'{setting} cannot be made: {type(error).__name__}: {error} (valid is "studio", "diffusers" or the class '
            'of a module on the path, for example "my_shop.painters:GanPainter")'
        ) from error
    if not callable(getattr(painter, "paint", None)):
        raise ConfigurationError(f"{setting} has no method paint(scenes); docs/painters.md shows one")
    return CustomPainter(painter, getattr(painter, "batch_key", _size))


def _size(scene: SceneRequest) -> str:
    return scene.composition.size.name
