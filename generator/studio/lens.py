"""Drawing through a lens: SVG to linear light, and the round blur of an open aperture."""

import cv2
import numpy as np
import resvg_py

from bannerstream.generator.studio.colour import Plane, decode
from bannerstream.generator.studio.scene import Layer
from bannerstream.generator.studio.view import View


def photograph(layer: Layer, view: View, width: int, height: int) -> Plane:
    """Return one layer as height x width x 4: premultiplied linear light, blurred by the layer's defocus.

    A strongly blurred layer has no detail, so it is drawn smaller and enlarged: drawing costs time per pixel.
    """
    if not layer.svg:
        return np.zeros((height, width, 4), np.float32)
    radius = layer.blur * view.unit * width / view.width
    shrink = min(max(int(radius / 1.3), 1), 4)
    light = _draw(layer, view, max(16, width // shrink), max(12, height // shrink))
    light = defocus(light, radius / shrink)
    if shrink == 1:
        return light
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _draw(layer: Layer, view: View, width: int, height: int) -> Plane:
    lit, shaded = ("1", "0") if view.light_side == "right" else ("0", "1")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {view.width} {view.height}" preserveAspectRatio="none"><defs>'
        f'<linearGradient id="form" x1="{lit}" x2="{shaded}" y1="0" y2="0.15">'
        '<stop offset="0" stop-color="#fff" stop-opacity=".34"/>'
        '<stop offset=".3" stop-color="#fff" stop-opacity=".10"/>'
        '<stop offset=".55" stop-color="#000" stop-opacity=".06"/>'
        '<stop offset="1" stop-color="#000" stop-opacity=".46"/>'
        '</linearGradient><radialGradient id="halo"><stop offset="0" stop-color="#ffb45e" stop-opacity=".30"/>'
        '<stop offset=".35" stop-color="#ff9d3c" stop-opacity=".10"/>'
        '<stop offset="1" stop-color="#ff8a20" stop-opacity="0"/></radialGradient></defs>'
        f"{layer.svg}</svg>"
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    drawn = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)
    blue, green, red, opaque = cv2.split(drawn)
    alpha = opaque / np.float32(255)
    strength = alpha * np.float32(layer.gain)
    # A channel at a time, as in `planes.grey`.
    light = [decode(np.asarray(channel, np.uint8)) * strength for channel in (red, green, blue)]
    return np.asarray(cv2.merge([*light, np.zeros_like(alpha) if layer.glows else alpha]), np.float32)


def defocus(light: Plane, radius: float) -> Plane:
    """Return light spread over the lens's disc, edges replicated; a small radius gets a Gaussian blur."""
    if radius < 0.4:
        return light
    if radius < 1.5:
        return np.asarray(cv2.GaussianBlur(light, (0, 0), radius * 0.6, borderType=cv2.BORDER_REPLICATE), np.float32)
    # At half size the filter takes a sixteenth of the samples, and at this blur it looks the same.
    if radius > 6 and min(light.shape[:2]) > 24:
        small = cv2.resize(light, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        spread = defocus(np.asarray(small, np.float32), radius / 2)
        return np.asarray(cv2.resize(spread, light.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    reach = int(radius) + 1
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    disc = np.clip(radius + 0.5 - np.hypot(offsets[:, None], offsets[None, :]), 0, 1)
    return np.asarray(cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)


def soften(light: Plane, sigma: float) -> Plane:
    """Return light with a Gaussian blur, edges replicated; large blurs run at half size, as in `defocus`."""
    if sigma > 4 and min(light.shape[:2]) > 24:
        small = np.asarray(cv2.resize(light, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        spread = soften(small, sigma / 2)
        return np.asarray(cv2.resize(spread, light.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
