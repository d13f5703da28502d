"""Catalogue pictures in the bucket: RGBA PNGs whose transparency marks a cut-out."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bannerstream.storage.errors import BrokenImage

Pixels = NDArray[np.uint8]


def encode_picture(pixels: Pixels) -> bytes:
    """Return RGBA pixels (height x width x 4, straight alpha, sRGB) as PNG."""
    out = BytesIO()
    Image.fromarray(pixels, "RGBA").save(out, "PNG")
    return out.getvalue()


def decode_picture(png: bytes) -> tuple[Pixels, bool]:
    """Return (RGBA pixels, whether the product is cut out).

    A cut-out always has a clear margin of one pixel (`storage.image_ingest`), so any transparency at all is the sign.
    The check sum of every chunk is compared first: decoding alone ignores those of the pixels (Pillow), and a picture
    that was stored by an earlier version has no other.

    Raises:
        BrokenImage: not a whole PNG.
    """
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as opened:
            opened.verify()
        with Image.open(BytesIO(png), formats=("PNG",)) as opened:
            pixels = np.asarray(opened.convert("RGBA"))
    except UnidentifiedImageError as error:  # its own message holds an address in memory
        raise BrokenImage("not a PNG") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenImage(f"not a readable PNG: {error}") from error
    return pixels, bool((pixels[..., 3] < 255).any())
