"""Ingests a shop's picture: checks it, turns it upright, converts it to sRGB and cuts the product out if that is safe.

`ingest` never damages a product: if it cannot be separated from its ground with confidence, the picture is kept whole
and shown as a card.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.image_ingest.cutout import CutRefused, cut_out
from bannerstream.storage.image_ingest.decoding import decode_upright
from bannerstream.storage.image_ingest.margins import cropped_to_alpha, has_real_transparency, opaque
from bannerstream.storage.pictures import encode_picture
from bannerstream.storage.store import CATALOGUE_PREFIX

__all__ = ["REVISION", "BrokenImage", "ProductPicture", "Treatment", "image_key", "ingest"]

REVISION = "2"
"""Part of every picture's key: raise it when `ingest` produces another picture from the same file."""


Treatment = Literal["own alpha", "cut out", "whole"]
"""How it was ingested: own alpha kept, ground cut away, or kept whole to be shown as a card."""


@dataclass(frozen=True, slots=True)
class ProductPicture:
    """A product's picture, ready for the bucket."""

    png: bytes
    """RGBA, straight alpha, sRGB; opaque everywhere unless `cut_out`."""
    width: int
    height: int
    cut_out: bool
    """The ground is transparent, by the shop's own alpha or by ours."""
    treatment: Treatment
    kept_whole_because: str | None = None
    """Reason why it was not cut out, worded for the shop; None if it was."""


def ingest(content: bytes) -> ProductPicture:
    """Return the picture in a file (PNG, JPEG, WebP, GIF, TIFF, AVIF) in the bucket's form.

    Raises:
        BrokenImage: the file cannot be used; the message gives the reason and the remedy. Nothing else is raised.
    """
    pixels = decode_upright(content)
    treatment: Treatment = "own alpha"
    reason = None
    if has_real_transparency(pixels):
        pixels = cropped_to_alpha(pixels)
    else:
        pixels = opaque(pixels)
        try:
            pixels = cropped_to_alpha(cut_out(pixels[..., :3]))
            treatment = "cut out"
        except CutRefused as refused:
            treatment, reason = "whole", str(refused)
    height, width = pixels.shape[:2]
    return ProductPicture(encode_picture(pixels), width, height, treatment != "whole", treatment, reason)


def image_key(content: bytes) -> str:
    """Return the object key of the ingested file, without ingesting it, so that known files can be skipped."""
    digest = hashlib.sha256(f"{REVISION}\0".encode() + content).hexdigest()
    return f"{CATALOGUE_PREFIX}{digest[:2]}/{digest}.png"
