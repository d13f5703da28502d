"""Initial images for models that do not start from noise. Pure.

For inpainting: the product at its place and a mask of everything else. For image-to-image: the studio's drawing.
"""

import cv2
import numpy as np

from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.diffusion.shapes import Shape, window_of
from bannerstream.generator.pipeline.ports import Box, Pixels, SceneRequest


def inpaint_inputs(scene: SceneRequest, shape: Shape) -> tuple[Pixels, Pixels]:
    """Return (RGB picture, mask) in the shape to paint; the mask is 255 where the model paints.

    The ground is the cohort's lightest colour. Without a product picture the model paints everything.
    """
    size, box = scene.composition.size, scene.composition.product
    canvas = np.empty((size.height, size.width, 3), np.uint8)
    canvas[:] = _ground(scene)
    mask = np.full((size.height, size.width), 255, np.uint8)
    if scene.product_image is not None and box is not None:
        _stand(canvas, mask, scene.product_image.pixels, box, scene.composition.ground_y)
    return _in_window(canvas, _ground(scene), shape, size), _in_window(mask, 255, shape, size)


def init_image(drawing: Pixels, scene: SceneRequest, shape: Shape, *, with_product: bool) -> Pixels:
    """Return a drawing of the banner's size as a picture in the shape to paint, mirrored beyond its edges.

    With `with_product` it contains the product once, for the model to paint.
    """
    size, box = scene.composition.size, scene.composition.product
    window = window_of(shape, size)
    right, below = shape.width - window.width - window.left, shape.height - window.height - window.top

    def scaled(picture: Pixels) -> Pixels:
        return cv2.resize(picture, (window.width, window.height), interpolation=cv2.INTER_AREA).astype(np.uint8)

    mirrored = cv2.copyMakeBorder(scaled(drawing), window.top, below, window.left, right, cv2.BORDER_REFLECT)
    whole: Pixels = mirrored.astype(np.uint8)
    if with_product and scene.product_image is not None and box is not None:
        canvas = drawing.copy()
        unused_mask = np.empty(canvas.shape[:2], np.uint8)
        _stand(canvas, unused_mask, scene.product_image.pixels, box, scene.composition.ground_y)
        # After mirroring; otherwise the picture would hold a second product upside down.
        whole[window.top : window.top + window.height, window.left : window.left + window.width] = scaled(canvas)
    return whole


def _ground(scene: SceneRequest) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(scene.cohort.palette[0].lstrip("#"))
    return red, green, blue


def _stand(canvas: Pixels, mask: Pixels, product: Pixels, box: Box, ground_y: float) -> None:
    """Draw the product into its box with its foot on the ground, in place."""
    visible = np.argwhere(product[..., 3] > 0)
    if not len(visible):
        return
    (top, left), (bottom, right) = visible.min(axis=0), visible.max(axis=0) + 1
    trimmed = product[top:bottom, left:right]
    scale = min(box.width / trimmed.shape[1], box.height / trimmed.shape[0])
    width, height = max(1, int(trimmed.shape[1] * scale)), max(1, int(trimmed.shape[0] * scale))
    sprite = cv2.resize(trimmed, (width, height), interpolation=cv2.INTER_AREA)
    x, y = round(box.x + (box.width - width) / 2), round(ground_y - height)
    rows, columns = slice(max(0, y), y + height), slice(max(0, x), x + width)
    under = canvas[rows, columns]
    sprite = sprite[max(0, -y) :, max(0, -x) :][: under.shape[0], : under.shape[1]]
    alpha = sprite[..., 3:].astype(np.float32) / 255
    canvas[rows, columns] = (sprite[..., :3] * alpha + under * (1 - alpha)).astype(np.uint8)
    mask[rows, columns] = np.minimum(mask[rows, columns], 255 - sprite[..., 3])


def _in_window(picture: Pixels, around: int | tuple[int, int, int], shape: Shape, size: BannerSize) -> Pixels:
    """Return a picture in the painted shape with the banner's picture in the window that becomes the banner."""
    window = window_of(shape, size)
    whole = np.empty((shape.height, shape.width, *picture.shape[2:]), np.uint8)
    whole[:] = around
    scaled = cv2.resize(picture, (window.width, window.height), interpolation=cv2.INTER_AREA)
    whole[window.top : window.top + window.height, window.left : window.left + window.width] = scaled
    return whole
