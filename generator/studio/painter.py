"""The studio painter: every wish becomes a picture, with no model and no network."""

from collections.abc import Sequence
from random import Random

from contracts.manifest import Provenance
from generator.ports import Painting, SceneWish
from generator.studio.camera import take
from generator.studio.choice import choose
from generator.studio.light import LIGHTS
from generator.studio.palette import at_dusk, tones
from generator.studio.scene import Stage
from generator.studio.scenes import SCENES
from generator.studio.view import view_of

REVISION = "studio@2"


class StudioPainter:
    """Paints procedural scenes; implements `generator.ports.Painter`. Holds nothing, so threads may share one."""

    def paint(self, wishes: Sequence[SceneWish]) -> list[Painting]:
        """Return one painting per wish, in order. Never fails: a setting nobody knows becomes the plain studio."""
        return [_paint(wish) for wish in wishes]


def _paint(wish: SceneWish) -> Painting:
    rng = Random(wish.seed)
    name = choose(wish.description.setting, wish.cohort.settings, tuple(SCENES))
    view = view_of(wish, rng)
    palette, light = wish.cohort.palette, LIGHTS[wish.cohort.light]
    colours = at_dusk(tones(palette), palette) if light.lamps == 1.0 else tones(palette)
    stage = Stage(view, colours, light, rng)
    return Painting(
        pixels=take(SCENES[name](stage), stage),
        light_side=view.light_side,
        provenance=Provenance(painter=REVISION, engine="studio", scene=name),
    )
