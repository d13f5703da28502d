"""The geometry of one picture: the space that the composition leaves free, and the scale of objects."""

from dataclasses import dataclass
from random import Random

from bannerstream.generator.pipeline.ports import Box, LightSide, ProductImage, SceneRequest


@dataclass(frozen=True, slots=True)
class View:
    """One size seen through the camera, in pixels of the banner."""

    width: int
    height: int
    unit: float
    """Unit of object sizes: the height of a wide strip; for a tall picture the width counts as well."""
    horizon: float
    """Back edge of the surface; the product stands nearer than this."""
    text: Box
    product: Box | None
    light_side: LightSide
    aside: Box | None = None
    """Place of price and button, if apart from the words."""

    @property
    def light_x(self) -> float:
        """X where the light enters, just inside the frame."""
        return self.width * (0.9 if self.light_side == "right" else 0.1)

    @property
    def away(self) -> float:
        """+1 when shadows fall to the right, -1 to the left."""
        return -1.0 if self.light_side == "right" else 1.0

    def in_words(self, x: float, y: float) -> bool:
        """Return whether a point lies behind the words."""
        return any(
            box.x < x < box.x + box.width and box.y < y < box.y + box.height
            for box in (self.text, self.aside)
            if box is not None
        )

    def gaps(self, top: float, clearance: float = 0.06) -> list[tuple[float, float]]:
        """Return the stretches of the horizon where an object reaching up to `top` is clear of words and product."""
        clear = clearance * self.unit
        taken = sorted(
            (box.x - clear, box.x + box.width + clear)
            for box in (self.text, self.product, self.aside)
            if box is not None and box.y + box.height > top and box.y < self.horizon + clear
        )
        gaps, free_from = [], -0.1 * self.unit
        for start, end in taken:
            if start > free_from:
                gaps.append((free_from, start))
            free_from = max(free_from, end)
        gaps.append((free_from, self.width + 0.1 * self.unit))
        return [(start, end) for start, end in gaps if end - start > 0.02 * self.unit]

    def spots(self, rng: Random, count: int, width: float, height: float) -> list[float]:
        """Return up to `count` x positions on the horizon for objects of this size (in units), without overlap.

        Objects may be cut by the frame's edge, never by words or product.
        """
        half = width * self.unit / 2
        free = [
            (start + (half if start > 0 else 0.1 * self.unit), end - (half if end < self.width else 0.1 * self.unit))
            for start, end in self.gaps(self.horizon - height * self.unit)
        ]
        free = [(start, end) for start, end in free if end >= start]
        found: list[float] = []
        for _ in range(count * 6):
            if not free or len(found) == count:
                break
            start, end = rng.choices(free, [end - start + 1 for start, end in free])[0]
            x = rng.uniform(start, end)
            if all(abs(x - other) > width * self.unit for other in found):
                found.append(x)
        return sorted(found)

    def clear_x(self, rng: Random, width: float, height: float) -> float | None:
        """Return one x for a large object, preferably on the light's side; None if there is no room."""
        found = self.spots(rng, 4, width, height)
        if not found:
            return None
        return min(found, key=lambda x: abs(x - self.light_x))


def view_of(request: SceneRequest, rng: Random) -> View:
    """Return the view of a request. Light comes from the product's side, so that words stand in the calmer half."""
    composition = request.composition
    width, height = composition.size.width, composition.size.height
    product = _standing(composition.product, request.product_image)
    text = _words(composition.text, product)
    horizon = min(max(composition.ground_y - 0.13 * height, 0.4 * height), 0.86 * height)
    unit = min(height, 0.62 * width)
    if text.width > 0.6 * width and text.y < 0.3 * height and text.y + text.height < 0.9 * horizon:
        # Words across the top: objects are scaled to the room left under them.
        unit = min(unit, max(1.6 * (horizon - text.y - text.height), 0.5 * unit))
    lean = (text.x + text.width / 2 - width / 2) / width
    if product is not None and abs(lean) < 0.08:
        lean = (width / 2 - product.x - product.width / 2) / width
    side: LightSide = rng.choice(("left", "right")) if abs(lean) < 0.03 else "right" if lean < 0 else "left"
    return View(width, height, unit, horizon, text, product, side, composition.aside)


def _standing(box: Box | None, image: ProductImage | None) -> Box | None:
    """Return the part of the product's box that the product fills: foot on the ground, centred."""
    if box is None:
        return None
    aspect = image.pixels.shape[1] / image.pixels.shape[0] if image is not None else 1.0
    wide = min(box.width, box.height * aspect)
    tall = min(box.height, wide / aspect)
    return Box(box.x + (box.width - wide) / 2, box.y + box.height - tall, wide, tall)


def _words(text: Box, product: Box | None) -> Box:
    """Return the box of the words; of a text box that surrounds the product, the part above the product."""
    if product is None or not (text.x < product.x + product.width / 2 < text.x + text.width):
        return text
    if not text.y < product.y < text.y + text.height:
        return text
    return Box(text.x, text.y, text.width, max(product.y - text.y, 0.25 * text.height))
