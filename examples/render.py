"""Draw the catalogue's pictures again from their sources: `python -m examples.render [PRODUCT …]`.

`artwork/<product id>.svg` becomes `catalogue/images/<product id>.png`. Only a changed source needs it.
"""

import io
import sys
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from bannerstream.demo.example_shop import CATALOGUE

ARTWORK = Path(__file__).parent / "artwork"
IMAGES = CATALOGUE / "images"

_SHADES = 64
"""Levels kept per colour channel. Below 48 the soft gradients band; above 64 the files double for no visible gain."""


def draw(source: Path, *, width: int | None = None) -> NDArray[np.uint8]:
    """Return the RGBA pixels of a drawing, at its own size or `width` pixels wide.

    No fonts are loaded: letters in the artwork are paths, so that it looks the same everywhere.
    """
    png = bytes(resvg_py.svg_to_bytes(svg_string=source.read_text(), width=width, skip_system_fonts=True))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return a small PNG: fewer shades, and no colour where nothing shows."""
    step = 255 / (_SHADES - 1)
    out = pixels.copy()
    out[..., :3] = np.round(np.round(pixels[..., :3] / step) * step).astype(np.uint8)
    out[pixels[..., 3] < 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(out).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main(products: list[str]) -> None:
    """Render the named products, or all of them."""
    for source in sorted(ARTWORK.glob("*.svg")):
        if not products or source.stem in products:
            (IMAGES / f"{source.stem}.png").write_bytes(encode(draw(source)))


if __name__ == "__main__":
    main(sys.argv[1:])
