"""The result of a scene file: drawn layers at their distances, and the surface in front of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bannerstream.generator.studio.light import Light
from bannerstream.generator.studio.season import Season
from bannerstream.generator.studio.surfaces import Surface
from bannerstream.generator.studio.tones import Tones
from bannerstream.generator.studio.view import View


@dataclass(frozen=True, slots=True)
class Layer:
    """A drawing at one distance."""

    svg: str
    """SVG elements in pixels of the banner. Only numbers and palette colours: no text of the request is included."""
    blur: float
    """Radius of the lens's disc, in units of the view."""
    gain: float = 1.0
    """Above 1 the layer emits light: a window, a lamp, the sun."""
    glows: bool = False
    """The layer hides nothing and adds its light to what is behind it."""


Stops = tuple[tuple[float, str], ...]
"""A gradient from the top (0) to the bottom (1) of the picture."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One set, ready for the camera."""

    backdrop: Stops
    """Wall or sky."""
    behind: tuple[Layer, ...]
    """Far to near."""
    surface: Surface
    shadows: Layer | None = None
    """White shapes that become shadows on wall and surface, of leaves or a window's bars."""
    shade: float = 0.35
    """How dark those shadows are."""
    before: tuple[Layer, ...] = field(default=())
    """Between the camera and the product, at the edges, far out of focus."""
    haze: float = 1.0
    """Factor on the light's glow in the air of this place."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The inputs of a scene's drawing."""

    view: View
    tones: Tones
    light: Light
    rng: Random
    season: Season = "summer"
    grain_seed: int = 0
    """Seed of the surface's texture, which all sizes of a banner share."""


Draw = Callable[[Stage], Scene]
