"""The four lights of a cohort (white balance, exposure, direction, haze), and their exposure by scene style."""

from dataclasses import dataclass, replace

from bannerstream.contracts.variants import SceneStyle
from bannerstream.generator.pipeline.ports import Shadow
from bannerstream.generator.studio.colour import Rgb


@dataclass(frozen=True, slots=True)
class Light:
    """How a scene is lit. Colours are linear RGB factors."""

    name: str
    key: Rgb
    """Sun or window light, which falls off away from its side."""
    ambient: Rgb
    """Light that fills the shadows."""
    glow: Rgb
    """Glow in the air near the source, added like haze."""
    sky: tuple[str, str, str]
    """Zenith, middle, horizon."""
    height: float
    """Height of the source, in picture heights from the top."""
    lamps: float
    """Brightness of lamps, candles and fairy lights: 0 (unlit) to 1."""
    shafts: float
    """Strength of visible rays."""
    shadow: Shadow
    vignette: float = 0.20
    """How much darker the corners are."""


LIGHTS = {
    "morning": Light(
        name="morning",
        key=(0.66, 0.57, 0.44),
        ambient=(0.62, 0.63, 0.66),
        glow=(0.26, 0.215, 0.15),
        sky=("#a9cbe4", "#d9e6ea", "#fff0d9"),
        height=0.05,
        lamps=0.15,
        shafts=0.9,
        shadow=Shadow(0.3, 1.2, 0.95),
    ),
    "day": Light(
        name="day",
        key=(0.40, 0.40, 0.39),
        ambient=(0.76, 0.77, 0.79),
        glow=(0.09, 0.092, 0.095),
        sky=("#6fb0e0", "#a9d3ee", "#e6f3fa"),
        height=-0.2,
        lamps=0.0,
        shafts=0.25,
        shadow=Shadow(0.16, 1.0, 1.0),
    ),
    "golden": Light(
        name="golden",
        key=(0.86, 0.555, 0.29),
        ambient=(0.46, 0.40, 0.38),
        glow=(0.30, 0.165, 0.058),
        sky=("#8ea4c4", "#f0bb84", "#ffd79a"),
        height=0.28,
        lamps=0.45,
        shafts=0.7,
        shadow=Shadow(0.36, 0.85, 1.15),
    ),
    "evening": Light(
        name="evening",
        key=(0.47, 0.29, 0.185),
        ambient=(0.105, 0.115, 0.175),
        glow=(0.125, 0.062, 0.032),
        sky=("#24335c", "#5d5688", "#d98a74"),
        height=0.35,
        lamps=1.0,
        shafts=0.15,
        shadow=Shadow(0.22, 1.5, 0.9),
    ),
}


def exposed(light: Light, style: SceneStyle) -> Light:
    """Return the light adjusted to a style: `airy` fills the shadows, `dramatic` deepens them under a strong key."""
    if style == "airy":
        return replace(
            light,
            key=_times(light.key, 0.92),
            ambient=_times(light.ambient, 1.22),
            glow=_times(light.glow, 1.35),
            shadow=replace(light.shadow, softness=light.shadow.softness * 1.5, strength=light.shadow.strength * 0.75),
            vignette=0.06,
        )
    if style == "dramatic":
        return replace(
            light,
            key=_times(light.key, 1.3),
            ambient=_times(light.ambient, 0.62),
            shafts=min(1.0, light.shafts * 1.5),
            shadow=replace(light.shadow, softness=light.shadow.softness * 0.7, strength=light.shadow.strength * 1.3),
            vignette=0.42,
        )
    return light


def _times(colour: Rgb, factor: float) -> Rgb:
    red, green, blue = (part * factor for part in colour)
    return red, green, blue
