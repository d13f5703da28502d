"""A mountain trail: ridges fading into the haze, firs, grasses, a ledge of earth or rock."""

from dataclasses import replace
from itertools import pairwise

from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.drift import drift
from bannerstream.generator.studio.foliage import leaf, pine
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, path


def draw(stage: Stage) -> Scene:
    """Return a viewpoint over a valley."""
    stage = replace(stage, tones=stage.tones.outdoors(stage.season))
    view, tones, light, rng = stage.view, stage.tones, stage.light, stage.rng
    unit, floor = view.unit, view.horizon
    sky = [mix(tones.natural(colour, 0.12), tones.wall_deep, 0.3) for colour in light.sky]
    edge = floor / view.height
    far, fir = tones.natural("#6488b4", 0.7), tones.natural("#33583f", 0.08)
    behind: list[Layer] = []
    if light.name in {"golden", "evening", "morning"}:
        sun = disc(view.light_x + view.away * 0.12 * unit, floor - 0.62 * unit, 0.06 * unit, "#fff0cc")
        behind.append(Layer(sun, 0.03, 2.6 if light.name == "golden" else 1.2, glows=True))
    else:
        behind.append(Layer(_clouds(stage), 0.05, 1.15))
    # Firs are green all year; other plants follow the season.
    slope = fir if stage.season == "summer" else mix(fir, tones.leaf(0.35), 0.6)
    for step in range(4):
        share = step / 3
        colour = mix(mix(sky[2], far, 0.35 + 0.3 * share), slope, 0.75 * share**1.6)
        behind.append(Layer(_ridge(stage, colour, 0.62 - 0.42 * share, 0.22 - 0.13 * share), 0.03 - 0.006 * step))
    # Heather, lavender, poppies: the meadow has the palette's colour, except in winter.
    grass = mix(tones.grass, tones.leaf(0.0), rng.uniform(0.1, 0.5))
    meadow = tones.natural(grass, 0.25 if stage.season == "winter" else 0.6)
    behind.append(Layer(_ridge(stage, meadow, 0.13, 0.05), 0.014))
    behind.append(Layer(_flowers(stage), 0.01))
    wood = "".join(
        pine(
            rng.uniform(0, view.width),
            floor + 0.04 * unit,
            unit * rng.uniform(0.16, 0.34),
            mix(fir, sky[2], rng.uniform(0.1, 0.3)),
            None,
            rng,
            5,
        )
        for _ in range(round(9 * max(1.0, view.width / unit)))
    )
    behind.append(Layer(wood, 0.02))
    trees = "".join(
        pine(x, floor + 0.08 * unit, unit * rng.uniform(0.7, 1.05), shift(fir, rng.uniform(-0.02, 0.04)), None, rng)
        for x in view.spots(rng, 4, 0.4, 0.9)
    )
    behind.append(Layer(trees, 0.015))
    soil = tones.natural(rng.choice(("#b3936b", "#a99a80")), 0.5)
    texture = surfaces.earth if rng.random() < 0.6 else surfaces.terrazzo
    surface = surfaces.Surface(
        shift(soil, -0.03), shift(soil, 0.05), texture, 0.34, fade=0.05, warmth=(0.95, 1.0, 1.05)
    )
    return Scene(
        ((0.0, sky[0]), (0.55 * edge, sky[1]), (0.9 * edge, sky[2])),
        tuple(behind),
        surface,
        before=(*drift(stage), Layer(_grass(stage), 0.03)),
        haze=1.25,
    )


def _ridge(stage: Stage, colour: str, high: float, rough: float) -> str:
    """Return a mountain skyline by midpoint displacement."""
    view, rng = stage.view, stage.rng
    span = view.width + 2 * view.unit
    heights = [high + rng.uniform(-0.5, 0.5) * rough for _ in range(max(3, round(span / view.unit / 0.9)) + 1)]
    for _ in range(4):
        finer = []
        for one, other in pairwise(heights):
            finer += [one, (one + other) / 2 + rng.uniform(-0.5, 0.5) * rough]
        heights, rough = [*finer, heights[-1]], rough * 0.5
    parts: list[str | float] = ["M", -view.unit, view.horizon + 0.2 * view.unit]
    for step, height in enumerate(heights):
        parts += ["L", -view.unit + span * step / (len(heights) - 1), view.horizon - height * view.unit]
    return path(d(*parts, "V", view.horizon + 0.2 * view.unit, "Z"), colour)


def _clouds(stage: Stage) -> str:
    """Return fair-weather clouds, flat below."""
    view, rng, marks = stage.view, stage.rng, ""
    for _ in range(max(2, round(1.6 * view.width / view.unit))):
        x, y = rng.uniform(0, view.width), view.horizon - rng.uniform(0.5, 0.95) * view.unit
        size = view.unit * rng.uniform(0.05, 0.1)
        for step in range(-3, 4):
            puff = size * (1.1 - 0.2 * abs(step)) * rng.uniform(0.75, 1.15)
            marks += disc(x + step * 0.8 * size, y - 0.4 * puff, puff, "#ffffff", 0.75)
    return marks


def _flowers(stage: Stage) -> str:
    """Return the meadow's flowers, in the palette's accents and white."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    if stage.season == "winter":
        return ""
    colours = (*tones.accents, tones.pale, "#f2d264")
    return "".join(
        disc(
            rng.uniform(0, view.width),
            view.horizon - rng.uniform(-0.03, 0.09) * view.unit,
            view.unit * rng.uniform(0.005, 0.013),
            rng.choice(colours),
        )
        for _ in range(round(70 * view.width / view.unit))
    )


def _grass(stage: Stage) -> str:
    """Return tall grass at the lower corners, where neither words nor product stand."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, marks = view.unit, ""
    for corner in (0.0, float(view.width)):
        if (
            view.text.y + view.text.height > 0.8 * view.height
            and abs(corner - view.text.x - view.text.width / 2) < 0.5 * view.width
        ):
            continue
        for _ in range(44):
            x = corner + rng.gauss(0, 0.12) * unit
            length = unit * rng.uniform(0.2, 0.48)
            colour = mix(tones.leaf(rng.uniform(0.0, 0.5)), tones.natural("#d8b46a"), rng.uniform(0.1, 0.7))
            marks += leaf(x, view.height + 0.03 * unit, -1.57 + rng.gauss(0, 0.3), length, 0.016 * unit, colour)
    return marks
