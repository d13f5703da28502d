"""The studio: paints scenes without a model, in tens of milliseconds, the same on every machine of one version.

A scene is a small stage set: layers of drawing (SVG) at their distances, a surface in front. The camera lights it in
linear light, blurs each layer as an open aperture would, and develops the picture. Imports contracts and
`generator.ports`; does no I/O. `python -m bannerstream.generator.studio sheet.png` draws a contact sheet.

    request → choice (which set) → view (what the composition leaves free) → palette, light → scenes → camera → Painting
"""

from bannerstream.generator.studio.painter import StudioPainter

__all__ = ["StudioPainter"]
