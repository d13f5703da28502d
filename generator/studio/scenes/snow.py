"""Winter: firs under snow, hills in the haze, drifts in front, flakes in the air."""

from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import pine
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, path


def draw(stage: Stage) -> Scene:
    """Return a snowy clearing before a fir wood."""
    view, tones, light, rng = stage.view, stage.tones, stage.light, stage.rng
    unit, floor = view.unit, view.horizon
    sky = [
        tones.natural(mix(colour, "#dfe8f0", 0.35 if light.name != "evening" else 0.0), 0.38) for colour in light.sky
    ]
    snow = mix(tones.natural("#eef3f9", 0.22), sky[1], 0.18)
    distance = tones.natural(snow, 0.42)
    edge = floor / view.height
    fir = tones.natural("#3f5a56", 0.3)
    behind = [
        Layer(_hills(stage, distance, 0.34), 0.03),
        Layer(_wood(stage, 16, 0.42, mix(distance, fir, 0.22)), 0.032),
        Layer(_wood(stage, 8, 0.66, mix(mix(snow, sky[0], 0.3), fir, 0.52)), 0.022),
    ]
    trees = "".join(
        pine(x, floor + 0.05 * unit, unit * rng.uniform(0.6, 0.95), shift(fir, rng.uniform(-0.03, 0.03)), snow, rng)
        for x in view.spots(rng, 4, 0.42, 0.8)
    )
    behind.append(Layer(trees, 0.014))
    if light.lamps > 0.3:
        behind.append(_cabin_lights(stage))
    surface = surfaces.Surface(
        shift(snow, 0.0), shift(snow, 0.03), surfaces.snow, 0.17, fade=0.10, warmth=(1.25, 1.0, 0.75)
    )
    return Scene(
        ((0.0, sky[0]), (0.5 * edge, sky[1]), (edge, sky[2])),
        tuple(behind),
        surface,
        before=(_flakes(stage, 46, 0.010, 0.004), _flakes(stage, 12, 0.022, 0.010)),
        haze=1.0,
    )


def _hills(stage: Stage, colour: str, high: float) -> str:
    view, rng = stage.view, stage.rng
    unit, floor = view.unit, view.horizon
    parts: list[str | float] = ["M", 0, floor + 0.1 * unit, "V", floor - high * unit * rng.uniform(0.5, 1)]
    x = 0.0
    while x < view.width:
        step = unit * rng.uniform(0.7, 1.3)
        parts += ["Q", x + step / 2, floor - high * unit * rng.uniform(0.9, 1.5)]
        parts += [x + step, floor - high * unit * rng.uniform(0.5, 0.9)]
        x += step
    return path(d(*parts, "V", floor + 0.1 * unit, "Z"), colour)


def _wood(stage: Stage, per_width: int, tall: float, colour: str) -> str:
    view, rng = stage.view, stage.rng
    marks = ""
    for _ in range(round(per_width * max(1.0, view.width / view.unit / 2.5))):
        height = view.unit * tall * rng.uniform(0.55, 1.1)
        x = rng.uniform(-0.05, 1.05) * view.width
        marks += pine(x, view.horizon + 0.03 * view.unit, height, shift(colour, rng.uniform(-0.03, 0.03)), None, rng, 6)
    return marks


def _cabin_lights(stage: Stage) -> Layer:
    """Return warm windows among the trees, for dusk."""
    view, rng = stage.view, stage.rng
    marks = ""
    for x in view.spots(rng, 5, 0.1, 0.3):
        marks += disc(x, view.horizon - rng.uniform(0.06, 0.22) * view.unit, 0.011 * view.unit, "#ffc36b")
    return Layer(marks, 0.03, 5.0 * stage.light.lamps, glows=True)


def _flakes(stage: Stage, count: int, size: float, blur: float) -> Layer:
    view, rng = stage.view, stage.rng
    marks = ""
    for _ in range(round(count * max(1.0, view.width / view.unit / 2))):
        x, y = rng.uniform(0, view.width), rng.uniform(0, view.height * 0.92)
        strength = rng.uniform(0.3, 0.85) * (0.25 if view.in_words(x, y) else 1.0)
        marks += disc(x, y, view.unit * size * rng.uniform(0.4, 1.1), "#ffffff", strength)
    return Layer(marks, blur, 0.55, glows=True)
