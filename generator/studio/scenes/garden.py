"""A garden: sunlit foliage, shrubs in blossom, flowers at the edges, a painted table."""

from dataclasses import replace

from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.bokeh import bokeh
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.drift import drift
from bannerstream.generator.studio.foliage import blossoms, bush, stems
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import disc


def draw(stage: Stage) -> Scene:
    """Return a garden seen over a table painted in the palette's accent."""
    stage = replace(stage, tones=stage.tones.outdoors(stage.season))
    view, tones, light, rng = stage.view, stage.tones, stage.light, stage.rng
    unit, floor = view.unit, view.horizon
    sky = tones.natural(light.sky[2], 0.1)
    edge = floor / view.height
    backdrop = (
        (0.0, mix(sky, tones.leaf(0.1), 0.3)),
        (0.35 * edge, mix(sky, tones.leaf(0.2), 0.55)),
        (edge, tones.leaf(0.15)),
    )
    back = []
    blossom = 0.0 if stage.season == "winter" else 0.55
    far, x = "", -0.1 * unit
    while x < view.width + 0.3 * unit:
        wide = unit * rng.uniform(0.5, 0.9)
        near_light = 1 - min(abs(x - view.light_x) / view.width, 1)
        tall = unit * rng.uniform(0.35, 0.75)
        far += bush(x, floor + 0.02 * unit, wide, tall, tones, rng, 0.62 - 0.4 * near_light)
        if rng.random() < blossom:
            far += blossoms(x, floor + 0.02 * unit, wide, tall, rng.choice((tones.accent, *tones.accents)), rng)
        x += wide * 0.55
    back.append(Layer(far, 0.05))
    # Sun through the leaves: small bright gaps, which the lens turns into discs.
    gaps = "".join(
        disc(
            view.light_x + view.away * abs(rng.gauss(0, 0.9)) * unit - view.away * 0.3 * unit,
            rng.uniform(-0.05, 0.62) * floor,
            unit * rng.uniform(0.004, 0.013),
            mix(sky, "#fff6d8", 0.5),
        )
        for _ in range(60)
    )
    back.append(Layer(gaps, 0.032, 9.0 if light.name in {"golden", "morning"} else 5.0))
    flowers = ""
    for at in view.spots(rng, 3 if stage.season == "winter" else 9, 0.17, 0.5):
        flowers += stems(
            at, floor + 0.04 * unit, unit * rng.uniform(0.26, 0.5), rng.choice((*tones.accents, tones.pale)), tones, rng
        )
    back.append(Layer(flowers, 0.017))
    wood = mix(mix(tones.wood(rng.uniform(0.3, 0.7)), "#a59a8c", 0.35), tones.accent, rng.uniform(0.5, 0.75))
    surface = surfaces.Surface(
        shift(wood, -0.05), shift(wood, 0.08), surfaces.planks(rng.choice((3, 4))), 0.32, 0.22, 0.2
    )
    before = (
        Layer(_near_flowers(stage), 0.055),
        *drift(stage),
        bokeh(view, rng, 10, (mix(sky, "#fff3cf", 0.5), tones.leaf(0.0)), size=0.05),
    )
    return Scene(backdrop, tuple(back), surface, before=before, haze=1.15)


def _near_flowers(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    right = view.text.x + view.text.width / 2 < view.width / 2
    x = view.width - 0.02 * view.unit if right else 0.02 * view.unit
    return stems(x, view.height + 0.15 * view.unit, 0.62 * view.unit, rng.choice(tones.accents), tones, rng, 6)
