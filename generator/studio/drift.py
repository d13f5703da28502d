"""What falls through the air in a season: petals, leaves, flakes."""

import math

from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import leaf
from bannerstream.generator.studio.scene import Layer, Stage
from bannerstream.generator.studio.shapes import disc

_COUNT = {"spring": 16, "autumn": 14, "winter": 40}
"""Per unit of width: a hint, not a storm."""


def drift(stage: Stage) -> tuple[Layer, ...]:
    """Return what is in the air, at two distances; nothing in summer or in front of the words."""
    if stage.season == "summer":
        return ()
    return Layer(_falling(stage, 0.016), 0.006), Layer(_falling(stage, 0.034, 0.3), 0.022)


def _falling(stage: Stage, size: float, share: float = 1.0) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    marks = ""
    for _ in range(round(_COUNT[stage.season] * share * max(1.0, view.width / view.unit))):
        x, y = rng.uniform(0, view.width), rng.uniform(0, view.horizon)
        if view.in_words(x, y):
            continue
        radius = view.unit * size * rng.uniform(0.6, 1.2)
        if stage.season == "spring":
            marks += disc(
                x, y, radius * 0.8, mix(tones.pale, "#f2b8c6", rng.uniform(0.2, 0.9)), 0.9, rng.uniform(0.4, 0.9)
            )
        elif stage.season == "autumn":
            colour = shift(tones.leaf(rng.uniform(0.0, 0.8)), 0.04)
            marks += leaf(x, y, rng.uniform(0, 2 * math.pi), radius * 2.2, radius * 0.8, colour)
        else:
            marks += disc(x, y, radius * 0.5, "#ffffff", rng.uniform(0.4, 0.85))
    return marks
