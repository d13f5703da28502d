"""Makes words readable on a scene: measures the pixels under them and strengthens the ground just enough.

Templates `open`, `spot` and `centre` veil the scene with a soft gradient in the cohort's own dark or light; `panel`,
`diagonal` and `arc` lay a plain field beside it; `frost` lays a blurred, tinted pane over it. Every template returns
the colours in which the words read.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.catalog import Cohort
from bannerstream.generator.layout.blending import blend, blend_at, round_rect
from bannerstream.generator.layout.blocks import Block, PlacedLine, Role
from bannerstream.generator.layout.colours import (
    WHITE,
    Rgb,
    accent_of,
    contrast,
    contrast_of,
    darkest_of,
    lightest_of,
    luminance,
    luminances,
    mix,
    pick_distinct_hue,
    required_contrast,
    rgb,
    shift_to_contrast,
)
from bannerstream.generator.layout.fields import lay_field
from bannerstream.generator.layout.ink import Inks
from bannerstream.generator.layout.planner import ground_box, is_mirrored, template_of
from bannerstream.generator.layout.products import blurred
from bannerstream.generator.pipeline.ports import Box, Composition, Pixels

Floats = NDArray[np.float32]

_MARGIN = 1.06
"""Reserve for encoders and anti-aliasing, which cost a few percent of contrast before the gate measures."""
_WORST_SHARE = 0.01
"""Share of the worst pixels around a line that is ignored as grain and sparkle."""
_VEIL_STEPS = 6
"""Bisection steps: a 64th of the veil's strength is not visible."""
_SAMPLE = 1600
"""Pixels sampled per line; scenes are soft, and grain averages out over this many."""
_BRIGHT = 0.22
"""Luminance above which a scene counts as bright; mid grey has 0.21."""
_TRUE_TO_SCENE = 0.3
_SOFT_ROLES = frozenset({"line", "former_price"})
_WORDS = frozenset({"eyebrow", "headline", "line"})
_BUTTON_ON_GROUND = 1.4
"""Contrast with its ground below which a button is not recognised as one."""


@dataclass(frozen=True, slots=True)
class _Tone:
    """A veil's colour and the text colours that read on it."""

    veil: Rgb
    strong: Rgb
    soft: Rgb


def make_readable(
    pixels: Pixels, block: Block, composition: Composition, cohort: Cohort, product_colour: Rgb | None = None
) -> Inks:
    """Lay the template's ground under the words, in place, and return the colours of words and button.

    Panels and discs avoid the product's own hue, so that the product stands out from them.
    """
    if block.badge is not None:
        words = replace(block, placed=tuple(item for item in block.placed if item.role != "saving"), badge=None)
        inks = make_readable(pixels, words, composition, cohort, product_colour)
        fill = _badge_fill(cohort, product_colour)
        return replace(inks, text={**inks.text, "saving": WHITE}, badge=fill)
    look = template_of(composition).look
    ground = ground_box(composition)
    if look in {"panel", "diagonal", "arc"} and ground is not None:
        return _on_field(pixels, ground, composition, cohort, product_colour)
    if look == "frost" and ground is not None:
        return _on_frost(pixels, ground, block, cohort)
    if look == "spot" and composition.product is not None:
        _spot(pixels, composition, cohort, product_colour)
    return _on_veil(pixels, block, composition, cohort)


def _on_veil(pixels: Pixels, block: Block, composition: Composition, cohort: Cohort) -> Inks:
    """Lay a dark or a light veil, whichever changes the scene less."""
    loose = [item for item in block.placed if item.role != "call_to_action"]
    mask = _veil_mask(pixels.shape[1], pixels.shape[0], loose, block.button, composition)
    tones = _tones(pixels, loose, cohort)
    needs = [_strength(pixels, mask, loose, tone) for tone in tones]
    # A dark veil spoils a bright scene, a light veil a dark one: the other tone must need clearly less strength.
    bright = luminance(_mean_under(pixels, _union([item.ink for item in loose]))) > _BRIGHT if loose else False
    lighten = needs[1] < needs[0] + _TRUE_TO_SCENE if bright else needs[1] + _TRUE_TO_SCENE < needs[0]
    tone, strength = (tones[1], needs[1]) if lighten else (tones[0], needs[0])
    blend(pixels, mask * strength, tone.veil)
    under = _mean_under(pixels, block.button)
    text: dict[Role, Rgb] = dict.fromkeys(("headline", "price", "saving", "eyebrow"), tone.strong)
    text |= {"line": tone.soft, "former_price": tone.soft}
    return _with_button(text, under, cohort)


def _on_field(
    pixels: Pixels, ground: Box, composition: Composition, cohort: Cohort, product_colour: Rgb | None
) -> Inks:
    """Lay a field of the palette: `panel` in the accent, `diagonal` in its neighbour, `arc` in the light ground."""
    template, palette = template_of(composition), cohort.palette
    ink = darkest_of(palette)
    if template.look == "arc":
        fill = mix(rgb(palette[0]), WHITE, 0.3)
    else:
        order = (-1, -2, -3) if template.look == "panel" else (-2, -1, -3)
        fill = shift_to_contrast(
            pick_distinct_hue(product_colour, [rgb(palette[index]) for index in order]), ink, WHITE, 5.2
        )
    trim = pick_distinct_hue(fill, [accent_of(palette), *map(rgb, palette[-3::-1])])
    lay_field(pixels, ground, template.edge, mirrored=is_mirrored(composition), fill=fill, trim=trim)
    if template.look == "arc":
        return _on_light(fill, cohort)
    soft = shift_to_contrast(mix(WHITE, fill, 0.3), WHITE, fill, 4.5 * _MARGIN)
    text: dict[Role, Rgb] = dict.fromkeys(("headline", "price", "saving"), WHITE)
    text |= {"eyebrow": soft, "line": soft, "former_price": soft}
    return _with_button(text, fill, cohort, prefer_light=True)


def _on_frost(pixels: Pixels, ground: Box, block: Block, cohort: Cohort) -> Inks:
    """Lay a frosted pane: the scene blurred and tinted with the palette's lightest colour."""
    x, y, width, height = (round(part) for part in (ground.x, ground.y, ground.width, ground.height))
    mask = round_rect(width, height, Box(0, 0, width, height), 0.09 * min(width, height))
    pad = max(6, round(min(width, height) * 0.12))
    halo = blurred(np.pad(mask, pad), pad / 2.2)
    blend_at(pixels, halo * 0.2, (20, 16, 14), x - pad, y - pad + pad // 5)
    region = pixels[y : y + height, x : x + width]
    small = cv2.resize(region, (max(2, width // 8), max(2, height // 8)), interpolation=cv2.INTER_AREA)
    soft = np.asarray(cv2.GaussianBlur(small, (0, 0), 2.5), dtype=np.uint8)
    paper, ink = lightest_of(cohort.palette), darkest_of(cohort.palette)
    worst = 0.05
    strength = next(
        (
            share
            for share in np.linspace(0.72, 0.97, 12)
            if contrast(float(np.quantile(luminances(_mixed(soft, paper, float(share))), worst)), luminance(ink)) >= 9
        ),
        0.97,
    )
    frosted = _mixed(soft, paper, float(strength))
    pane = cv2.resize(frosted, (width, height), interpolation=cv2.INTER_CUBIC)
    region[:] = cv2.blendLinear(region, pane, 1 - mask, mask)
    return _on_light(_darkest_under(pixels, block), cohort)


def _on_light(ground: Rgb, cohort: Cohort) -> Inks:
    """Return the palette's darkest colour and accents, readable on a light ground."""
    ink = darkest_of(cohort.palette)
    accent = shift_to_contrast(accent_of(cohort.palette), ink, ground, 4.5 * _MARGIN)
    quiet = shift_to_contrast(mix(ink, ground, 0.3), ink, ground, 4.5 * _MARGIN)
    text: dict[Role, Rgb] = {
        "headline": ink,
        "price": ink,
        "eyebrow": accent,
        "saving": accent,
        "line": quiet,
        "former_price": quiet,
    }
    return _with_button(text, ground, cohort)


def _badge_fill(cohort: Cohort, product_colour: Rgb | None) -> Rgb:
    strong = (accent_of(cohort.palette), *map(rgb, cohort.palette[-2:-4:-1]))
    return shift_to_contrast(
        pick_distinct_hue(product_colour, strong), darkest_of(cohort.palette), WHITE, 4.5 * _MARGIN
    )


def _spot(pixels: Pixels, composition: Composition, cohort: Cohort, product_colour: Rgb | None) -> None:
    """Draw a disc in the accent colour behind the product."""
    product = composition.product
    if product is None:
        return
    height, width = pixels.shape[:2]
    radius = min(product.width, product.height) * 0.47
    centre_x = product.x + product.width / 2
    centre_y = composition.ground_y - product.height * 0.53
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5 - centre_x
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5 - centre_y
    mask = np.clip(radius - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)
    half = len(cohort.palette) // 2
    middle = pick_distinct_hue(product_colour, tuple(rgb(cohort.palette[index]) for index in (half, half - 1, -1)))
    lift = np.clip(0.5 - y / (2 * radius), 0, 1).astype(np.float32)
    blend(pixels, mask * np.float32(0.97), middle)
    blend(pixels, mask * lift * np.float32(0.45), lightest_of(cohort.palette))


def _tones(pixels: Pixels, loose: list[PlacedLine], cohort: Cohort) -> tuple[_Tone, _Tone]:
    """Return a dark and a light veil in the scene's own hue."""
    boxes = [item.ink for item in loose]
    mean = _mean_under(pixels, _union(boxes)) if boxes else (128, 128, 128)
    dark = shift_to_contrast(mix(darkest_of(cohort.palette), mean, 0.16), (10, 8, 8), WHITE, 11.0)
    light = shift_to_contrast(mix(lightest_of(cohort.palette), mean, 0.1), WHITE, darkest_of(cohort.palette), 11.0)
    return (
        _Tone(dark, WHITE, mix(WHITE, dark, 0.12)),
        _Tone(light, darkest_of(cohort.palette), mix(darkest_of(cohort.palette), light, 0.16)),
    )


def _strength(pixels: Pixels, mask: Floats, loose: list[PlacedLine], tone: _Tone) -> float:
    """Return the least veil strength at which every line reads, by bisection; 1 if no strength suffices."""
    veil = np.array(tone.veil, np.float32)
    dark_letters = luminance(tone.strong) < luminance(tone.veil)
    samples = [(ground, (veil - ground) * share) for ground, share in (_sample(pixels, mask, item) for item in loose)]
    goals = [
        # WCAG allows 3:1 for large letters, but a headline below 4:1 looks faint.
        max(4.0, required_contrast(item.font_size, bold=item.typeface.bold)) * _MARGIN
        for item in loose
    ]
    letters = [luminance(tone.soft if item.role in _SOFT_ROLES else tone.strong) for item in loose]

    def reads(strength: float) -> bool:
        return all(
            contrast(_worst(ground + change * strength, dark_letters=dark_letters), letter) >= goal
            for (ground, change), letter, goal in zip(samples, letters, goals, strict=True)
        )

    low, high = 0.0, 1.0
    if reads(low):
        return low
    for _ in range(_VEIL_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reads(middle) else (middle, high)
    return high


def _sample(pixels: Pixels, mask: Floats, item: PlacedLine) -> tuple[Pixels, Floats]:
    """Return an even sample of the pixels under and around a line, and the veil's share at every pixel."""
    window = _window_around(item.ink, pixels, item.font_size * 0.3)
    ground, share = pixels[window], mask[window]
    stride = max(1, int((ground.shape[0] * ground.shape[1] / _SAMPLE) ** 0.5))
    return ground[::stride, ::stride].reshape(-1, 3), share[::stride, ::stride].reshape(-1, 1)


def _worst(ground: Floats, *, dark_letters: bool) -> float:
    values = np.sort(luminances(np.clip(ground, 0, 255).astype(np.uint8)))
    aside = int(len(values) * _WORST_SHARE)
    return float(values[aside] if dark_letters else values[-1 - aside])


def _veil_mask(width: int, height: int, loose: list[PlacedLine], button: Box, composition: Composition) -> Floats:
    """Return a mask of 1 under the words with a soft falloff: sideways, or downwards if the words are on top."""
    extent = _union([*(item.ink for item in loose), button])
    template = template_of(composition)
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)
    if template.arrangement == "flank":
        parts = [[item.ink for item in loose if item.role in _WORDS], [button]]
        parts[1] += [item.ink for item in loose if item.role not in _WORDS]
        return np.asarray(np.maximum(*(_halo(x, y, _union(boxes or [button])) for boxes in parts)), np.float32)
    if template.centred and composition.product is None:
        dx = np.maximum(np.maximum(extent.x - x, x - extent.x - extent.width), 0) / (0.22 * width)
        dy = np.maximum(np.maximum(extent.y - y, y - extent.y - extent.height), 0) / (0.5 * height)
        return _smooth(1 - 0.75 * _distance(dx, dy))
    if template.arrangement == "split" or template.centred:
        words = _union([item.ink for item in loose if item.role in _WORDS] or [button])
        down = _smooth(1 - np.maximum(y - words.y - words.height, 0) / (0.3 * height))[:, None]
        lower = [item.ink for item in loose if item.ink.y > words.y + words.height]
        veil = np.broadcast_to(down, (height, width)).astype(np.float32)
        if lower:
            low = _union(lower)
            dx = np.maximum(np.maximum(low.x - x, x - low.x - low.width), 0) / (0.3 * width)
            dy = np.maximum(np.maximum(low.y - y, y - low.y - low.height), 0) / (0.25 * height)
            veil = np.maximum(veil, _smooth(1 - _distance(dx, dy)))
        return veil
    reach = 0.3 * width if template.shape != "strip" else 0.2 * width
    beyond = extent.x - x if is_mirrored(composition) else x - extent.x - extent.width
    return np.broadcast_to(_smooth(1 - np.maximum(beyond, 0) / reach)[None, :], (height, width)).astype(np.float32)


def _halo(x: Floats, y: Floats, box: Box) -> Floats:
    """Return a mask of 1 in a box, with a falloff about as wide as the box."""
    reach_x, reach_y = 0.7 * box.width + 1, 1.1 * box.height + 1
    dx = np.maximum(np.maximum(box.x - x, x - box.x - box.width), 0) / reach_x
    dy = np.maximum(np.maximum(box.y - y, y - box.y - box.height), 0) / reach_y
    return _smooth(1 - _distance(dx, dy))


def _with_button(text: dict[Role, Rgb], ground: Rgb, cohort: Cohort, *, prefer_light: bool = False) -> Inks:
    """Choose the button's colours: the accent if it stands out from the ground, else white or dark."""
    ink, paper = darkest_of(cohort.palette), lightest_of(cohort.palette)
    accents = [shift_to_contrast(accent_of(cohort.palette), ink, WHITE, 4.5 * _MARGIN)]
    plain = [WHITE, ink] if luminance(ground) < 0.4 else [ink, WHITE]
    fills = [*plain[:1], *accents, *plain[1:]] if prefer_light else [*accents, *plain]
    fill = next((fill for fill in fills if contrast_of(fill, ground) >= _BUTTON_ON_GROUND), plain[0])
    if luminance(fill) > 0.4:
        label = shift_to_contrast(accent_of(cohort.palette), ink, fill, 4.5 * _MARGIN * 1.1)
    else:
        label = WHITE if contrast_of(WHITE, fill) >= contrast_of(paper, fill) else paper
    return Inks({**text, "call_to_action": label}, fill)


def _window_around(box: Box, pixels: Pixels, margin: float) -> tuple[slice, slice]:
    height, width = pixels.shape[:2]
    left, top = int(max(0, box.x - margin)), int(max(0, box.y - margin))
    right, bottom = int(min(width, box.x + box.width + margin)) + 1, int(min(height, box.y + box.height + margin)) + 1
    return slice(min(top, height - 1), max(bottom, top + 1)), slice(min(left, width - 1), max(right, left + 1))


def _mean_under(pixels: Pixels, box: Box) -> Rgb:
    red, green, blue, _ = cv2.mean(pixels[_window_around(box, pixels, 0)])
    return round(red), round(green), round(blue)


def _darkest_under(pixels: Pixels, block: Block) -> Rgb:
    """Return the colour of the darkest pixels under the words, where dark letters are hardest to read."""
    under = np.concatenate([pixels[_window_around(item.ink, pixels, 4)].reshape(-1, 3) for item in block.placed])
    values = luminances(under)
    mean = under[values <= np.quantile(values, _WORST_SHARE)].mean(axis=0)
    return round(float(mean[0])), round(float(mean[1])), round(float(mean[2]))


def _union(boxes: list[Box]) -> Box:
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
    return Box(left, top, right - left, bottom - top)


def _distance(dx: Floats, dy: Floats) -> Floats:
    """Return the distance at every pixel; `numpy.hypot` guards against overflow and takes eight times as long."""
    squares = np.asarray((dx * dx)[None, :] + (dy * dy)[:, None], np.float32)
    return np.sqrt(squares, out=squares)


def _smooth(value: Floats) -> Floats:
    # In place: on a full square, allocating another array costs as much as the arithmetic.
    rest = np.clip(value, 0, 1).astype(np.float32, copy=False)
    eased: Floats = rest * rest
    rest *= -2
    rest += 3
    eased *= rest
    return eased


def _mixed(pixels: Pixels, colour: Rgb, share: float) -> Pixels:
    mixed = pixels + (np.array(colour, np.float32) - pixels) * np.float32(share)
    result: Pixels = (mixed + 0.5).astype(np.uint8)
    return result
