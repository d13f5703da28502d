"""The shop's built-in banner, for visitors without any other. Drawn in code, so that it is always available."""

import hashlib

from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.edge.banner_facts import Banner, Picture

MEDIA_TYPE = "image/svg+xml"


def default_pictures() -> dict[str, bytes]:
    """Return the default banner's pictures by file name, `<sha256>.svg`."""
    return {_name(svg): svg for svg in map(_svg, SIZES)}


def default_banner() -> Banner:
    """Return the shop's default banner."""
    pictures = ((size, _svg(size)) for size in SIZES)
    return Banner(
        key=None,
        product_id=None,
        cohort=None,
        variant="a",
        tier="default",
        revision=1,
        headline="",
        pictures=tuple(Picture(_name(svg), size.width, size.height, len(svg), MEDIA_TYPE) for size, svg in pictures),
    )


def _name(svg: bytes) -> str:
    return f"{hashlib.sha256(svg).hexdigest()}.svg"


def _svg(size: BannerSize) -> bytes:
    """Draw low hills under a morning sky, without text: the page sets `alt` in its own language."""
    width, height = size.width, size.height
    sun = min(width, height) * 0.17

    def hill(left: float, crest: float, right: float) -> str:
        return (
            f"M0 {height} V{height * left:.1f} C{width * 0.3:.1f} {height * crest:.1f} "
            f"{width * 0.62:.1f} {height * (crest + 0.28):.1f} {width} {height * right:.1f} V{height} Z"
        )

    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        '<defs><linearGradient id="s" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#cfe3ee"/>'
        '<stop offset=".62" stop-color="#f7e6d2"/><stop offset="1" stop-color="#f3cfae"/></linearGradient></defs>'
        f'<rect width="{width}" height="{height}" fill="url(#s)"/>'
        f'<circle cx="{width * 0.72:.1f}" cy="{height * 0.42:.1f}" r="{sun:.1f}" fill="#fff4dc"/>'
        f'<path d="{hill(0.62, 0.38, 0.70)}" fill="#b9c9b4"/>'
        f'<path d="{hill(0.80, 0.52, 0.62)}" fill="#8fa98f"/>'
        f'<path d="{hill(0.86, 0.74, 0.84)}" fill="#5f8070"/>'
        "</svg>"
    ).encode()
