"""The studio painter: every wish becomes a picture, with no model and no network."""

from collections.abc import Sequence
from random import Random

from bannerstream.contracts.manifest import Provenance
from bannerstream.generator.pipeline.ports import Painting, SceneWish
from bannerstream.generator.studio.camera import take
from bannerstream.generator.studio.choice import choose
from bannerstream.generator.studio.light import LIGHTS, exposed
from bannerstream.generator.studio.palette import at_dusk, tones
from bannerstream.generator.studio.scene import Stage
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.generator.studio.season import season_of
from bannerstream.generator.studio.view import view_of

REVISION = "studio@4"


class StudioPainter:
    """Paints procedural scenes; implements `generator.ports.Painter`. Holds nothing, so threads may share one."""

    def paint(self, wishes: Sequence[SceneWish]) -> list[Painting]:
        """Return one painting per wish, in order. Never fails: a setting nobody knows becomes the plain studio."""
        return [_paint(wish) for wish in wishes]


def _paint(wish: SceneWish) -> Painting:
    rng = Random(wish.seed)
    cohort, words = wish.cohort, wish.description.setting
    name = choose(words, cohort.settings, tuple(SCENES))
    view = view_of(wish, rng)
    light = exposed(LIGHTS[cohort.light], wish.composition.creative.scene)
    colours = tones(cohort.palette)
    if light.lamps == 1.0:
        colours = at_dusk(colours, cohort.palette)
    season = season_of((words, *cohort.settings[:1], *cohort.mood, cohort.name))
    stage = Stage(view, colours, light, rng, season, wish.seed)
    return Painting(
        pixels=take(SCENES[name](stage), stage),
        light_side=view.light_side,
        shadow=light.shadow,
        provenance=Provenance(painter=REVISION, engine="studio", scene=name),
    )
