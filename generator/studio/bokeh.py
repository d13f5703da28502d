"""Out-of-focus points of light."""

from random import Random

from bannerstream.generator.studio.scene import Layer
from bannerstream.generator.studio.shapes import disc
from bannerstream.generator.studio.view import View


def bokeh(
    view: View,
    rng: Random,
    count: int,
    colours: tuple[str, ...],
    *,
    size: float = 0.045,
    top: float = 0.0,
    gain: float = 0.5,
) -> Layer:
    """Return lights scattered over the frame above the surface, weaker behind the words.

    `top` is their upper limit as a share of the height, `size` their radius in units.
    """
    marks = []
    for _ in range(count):
        x, y = rng.uniform(0, view.width), top * view.height + rng.random() ** 1.2 * (view.horizon - top * view.height)
        radius = view.unit * size * rng.uniform(0.45, 1.25)
        strength = rng.uniform(0.12, 0.55)
        if view.in_words(x, y):
            strength *= 0.25
        marks.append(disc(x, y, radius, rng.choice(colours), strength))
    return Layer("".join(marks), 0.006, gain, glows=True)
