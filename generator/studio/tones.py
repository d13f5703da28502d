"""Turns a cohort's palette into the colours of a scene.

A shop may choose any colours: lightness and chroma are brought into the range of a photograph's wall, table or flower,
and the hue is kept. Things with a colour of their own (leaf, wood, sand) are shifted towards the palette, like a colour
grade, so that every picture looks consistent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bannerstream.generator.studio.colour import Oklch, from_hex, mix, to_hex
from bannerstream.generator.studio.season import Season

FOLIAGE: dict[Season, tuple[str, str]] = {
    "spring": ("#c6dc86", "#4b7d46"),
    "summer": ("#a3bd74", "#2f5138"),
    "autumn": ("#e6b04e", "#93421f"),
    "winter": ("#bcc4ab", "#4a5c54"),
}
GRASS: dict[Season, str] = {"spring": "#9fc46a", "summer": "#9aad5a", "autumn": "#c3a255", "winter": "#c6cabb"}


@dataclass(frozen=True, slots=True)
class Tones:
    """The colours of one cohort's scenes, sRGB hex."""

    wall: str
    wall_deep: str
    """The same wall away from the light."""
    pale: str
    """Paper, porcelain, snow: nearly white, of the palette's tint."""
    dark: str
    """Iron, slate: nearly black, of the accent's tint."""
    accent: str
    accents: tuple[str, ...]
    """Accent first; all bright enough to be seen and muted enough for a background."""
    foliage: tuple[str, str] = FOLIAGE["summer"]
    """Young leaves and old ones."""
    grass: str = GRASS["summer"]

    def natural(self, colour: str, pull: float = 0.18) -> str:
        """Return a natural colour shifted towards the palette."""
        return mix(colour, self.accent, pull)

    def wood(self, depth: float = 0.5) -> str:
        """Return wood from pale oak (0) to walnut (1)."""
        return self.natural(mix("#d9b48a", "#6f4527", depth), 0.14)

    def leaf(self, depth: float = 0.5) -> str:
        """Return foliage from young (0) to deep (1)."""
        return self.natural(mix(*self.foliage, depth), 0.10)

    def outdoors(self, season: Season) -> "Tones":
        """Return the colours with a season's leaves and grass; plants indoors are green all year."""
        return replace(self, foliage=FOLIAGE[season], grass=GRASS[season])


def tones(palette: Sequence[str]) -> Tones:
    """Return the colours of scenes for a palette that runs from the lightest ground to the strongest accent."""
    ground, accent = from_hex(palette[0]), from_hex(palette[-1])
    tint = accent.hue if ground.chroma < 0.008 else ground.hue
    accents = tuple(_accent(from_hex(colour)) for colour in reversed(palette[1:]))
    wall = to_hex(Oklch(_within(ground.lightness, 0.82, 0.925), _within(ground.chroma * 1.25, 0.012, 0.065), tint))
    deep = Oklch(_within(ground.lightness - 0.17, 0.62, 0.74), _within(ground.chroma * 1.6, 0.02, 0.085), tint)
    return Tones(
        wall=wall,
        wall_deep=mix(to_hex(deep), accents[0], 0.22),
        pale=to_hex(Oklch(0.965, min(ground.chroma, 0.014), tint)),
        dark=to_hex(Oklch(0.30, _within(accent.chroma * 0.3, 0.012, 0.045), accent.hue)),
        accent=accents[0],
        accents=accents,
    )


def at_dusk(tones: Tones, palette: Sequence[str]) -> Tones:
    """Return the tones of a room after sunset: darker walls, against which lamps are visible."""
    dark = min((from_hex(colour) for colour in palette), key=lambda colour: colour.lightness)
    night = to_hex(Oklch(0.36, _within(dark.chroma, 0.03, 0.085), dark.hue))
    return replace(tones, wall=mix(tones.wall, night, 0.45), wall_deep=mix(tones.wall_deep, night, 0.55))


def _accent(colour: Oklch) -> str:
    return to_hex(Oklch(_within(colour.lightness, 0.46, 0.78), _within(colour.chroma, 0.03, 0.145), colour.hue))


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
