"""The smallest pieces of drawing: shapes in SVG, some of them lit from the light's side.

`form` is the gradient that `lens.photograph` defines: light on the lit side, shade on the other.
"""


def d(*parts: str | float) -> str:
    """Return path data: command letters and their coordinates, one decimal each."""
    return " ".join(part if isinstance(part, str) else f"{part:.1f}" for part in parts)


def rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0.0, opacity: float = 1.0) -> str:
    """Return a rectangle by its top left corner."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" rx="{radius:.1f}" '
        f'fill="{fill}" fill-opacity="{opacity:.3f}"/>'
    )


def disc(x: float, y: float, radius: float, fill: str, opacity: float = 1.0, squash: float = 1.0) -> str:
    """Return an ellipse; `squash` is height over width."""
    return (
        f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{radius:.1f}" ry="{radius * squash:.1f}" fill="{fill}" '
        f'fill-opacity="{opacity:.3f}"/>'
    )


def path(outline: str, fill: str, opacity: float = 1.0) -> str:
    """Return a filled path."""
    return f'<path d="{outline}" fill="{fill}" fill-opacity="{opacity:.3f}"/>'


def line(outline: str, stroke: str, width: float, opacity: float = 1.0) -> str:
    """Return an open path drawn with round ends."""
    return (
        f'<path d="{outline}" fill="none" stroke="{stroke}" stroke-width="{width:.2f}" stroke-opacity="{opacity:.3f}" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )


def lit(outline: str, fill: str) -> str:
    """Return a filled path as a round body in the scene's light."""
    return f'<path d="{outline}" fill="{fill}"/><path d="{outline}" fill="url(#form)"/>'


def lit_rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0.0) -> str:
    """Return a rectangle as a round body in the scene's light."""
    return rect(x, y, width, height, fill, radius) + rect(x, y, width, height, "url(#form)", radius)


def lit_disc(x: float, y: float, radius: float, fill: str, squash: float = 1.0) -> str:
    """Return an ellipse as a round body in the scene's light."""
    return disc(x, y, radius, fill, squash=squash) + disc(x, y, radius, "url(#form)", squash=squash)
