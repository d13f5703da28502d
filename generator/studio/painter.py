"""The studio painter: paints every request, without a model or a network."""

from collections.abc import Sequence
from random import Random

from bannerstream.contracts.manifest import Provenance
from bannerstream.generator.pipeline.ports import Painting, SceneRequest
from bannerstream.generator.studio.camera import take
from bannerstream.generator.studio.choice import choose
from bannerstream.generator.studio.light import LIGHTS, exposed
from bannerstream.generator.studio.scene import Stage
from bannerstream.generator.studio.scenes import SCENES
from bannerstream.generator.studio.season import season_of
from bannerstream.generator.studio.tones import at_dusk, tones
from bannerstream.generator.studio.view import view_of

REVISION = "studio@4"


class StudioPainter:
    """Paints procedural scenes; implements `generator.pipeline.ports.Painter`. Stateless, so threads may share one."""

    def paint(self, scenes: Sequence[SceneRequest]) -> list[Painting]:
        """Return one painting per request, in order. Never fails: an unknown setting becomes the plain studio."""
        return [_paint(request) for request in scenes]


def _paint(request: SceneRequest) -> Painting:
    rng = Random(request.seed)
    cohort, words = request.cohort, request.description.setting
    name = choose(words, cohort.settings, tuple(SCENES))
    view = view_of(request, rng)
    light = exposed(LIGHTS[cohort.light], request.composition.creative.scene)
    colours = tones(cohort.palette)
    if light.lamps == 1.0:
        colours = at_dusk(colours, cohort.palette)
    season = season_of((words, *cohort.settings[:1], *cohort.mood, cohort.name))
    stage = Stage(view, colours, light, rng, season, request.seed)
    return Painting(
        pixels=take(SCENES[name](stage), stage),
        light_side=view.light_side,
        shadow=light.shadow,
        provenance=Provenance(painter=REVISION, engine="studio", scene=name),
    )
