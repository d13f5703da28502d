"""Decodes a file of unknown origin to upright sRGB pixels, or raises a `BrokenImage` with the reason."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.pictures import Pixels

MAX_BYTES = 32 * 1024 * 1024
"""A 50-megapixel JPEG at full quality has about 25 MB."""
MAX_PIXELS = 50_000_000
"""200 MB as RGBA, the limit of one worker thread. Checked before anything is decompressed."""
MIN_SIDE = 32
"""A product of fewer pixels is a smear on the smallest banner (728x90)."""
LONG_SIDE = 1600
"""The largest banner has 1080 pixels; this leaves room for sharp downscaling."""

_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WEBP"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
)
_TAKEN = "PNG, JPEG, WebP, GIF, TIFF or AVIF"

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def decode_upright(content: bytes) -> Pixels:
    """Return the first frame as RGBA (straight alpha, sRGB, EXIF rotation applied), long side at most `LONG_SIDE`.

    Raises:
        BrokenImage: too large, too small, truncated, or of an unsupported format. Nothing else is raised.
    """
    if len(content) > MAX_BYTES:
        raise BrokenImage(f"the file has {len(content):,} bytes, the limit is {MAX_BYTES:,}; export it smaller")
    kind = _sniffed(content)
    try:
        with Image.open(BytesIO(content), formats=(kind,)) as opened:
            _check_size(*opened.size)
            picture = _as_srgb(_upright(_eight_bits(opened)))
            picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
            return np.asarray(picture)
    except BrokenImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenImage(f"the picture has more than {MAX_PIXELS:,} pixels; export it smaller") from error
    except Exception as error:  # decoders raise anything on hostile bytes
        raise BrokenImage(f"the {kind} file is damaged or cut short ({error}); export it again") from error


def _sniffed(content: bytes) -> str:
    """Return the format by the first bytes; the file's name does not matter."""
    for offset, signature, kind in _SIGNATURES:
        if content[offset : offset + len(signature)] == signature:
            return kind
    start = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<") and b"<svg" in start:
        raise BrokenImage("SVG is a drawing, not a photograph, and may load things from elsewhere; export it as PNG")
    if content[4:12] in {b"ftypheic", b"ftypheix", b"ftypmif1"}:
        raise BrokenImage("HEIC is not taken; export the picture as JPEG")
    raise BrokenImage(f"not a picture that is taken; save it as {_TAKEN}" if content else "the file is empty")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BrokenImage(f"{width} x {height} is more than {MAX_PIXELS:,} pixels; export it smaller")
    if min(width, height) < MIN_SIDE:
        raise BrokenImage(f"{width} x {height} is too small; each side needs {MIN_SIDE} pixels")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return the picture with 8 bits per channel: Pillow would clip 16-bit grey instead of scaling it."""
    if not picture.mode.startswith("I"):
        picture.load()
        return picture
    grey = Image.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    grey.info.update(picture.info)
    return grey


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken EXIF: the pixels are kept as stored
        return picture


def _as_srgb(picture: Image.Image) -> Image.Image:
    """Return the picture as RGBA in sRGB; a profile that does not fit or cannot be read is ignored."""
    rgba = picture.convert("RGBA")
    embedded = picture.info.get("icc_profile")
    if not embedded:
        return rgba
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(embedded))
        mode = _PROFILE_MODES[profile.profile.xcolor_space]
        if (mode == "CMYK") != (picture.mode == "CMYK"):
            return rgba
        coloured = picture if mode == "CMYK" else rgba.convert(mode)
        converted = ImageCms.profileToProfile(coloured, profile, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError):
        return rgba
    if converted is None:  # only happens for in-place conversion
        return rgba
    converted.putalpha(rgba.getchannel("A"))
    return converted
