"""The studio: paints scenes without a model, in tens of milliseconds, identically on every machine of one version.

A scene is a small stage set: drawn layers (SVG) at their distances and a surface in front. The camera lights it in
linear light, blurs every layer as an open aperture would, and develops the picture. Imports contracts and
`generator.pipeline.ports`; does no I/O. `python -m bannerstream.generator.studio sheet.png` draws a contact sheet.

    request → choice (which set) → view (free space) → tones, light → scenes → camera → Painting
"""

from bannerstream.generator.studio.painter import StudioPainter

__all__ = ["StudioPainter"]
