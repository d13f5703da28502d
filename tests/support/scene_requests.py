"""Scene requests for tests of painters."""

import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import RECTANGLE, BannerSize
from bannerstream.generator.pipeline.ports import Box, Composition, ProductImage, SceneRequest

COHORT = Cohort(
    cohort_id="cosy", name="Cosy", mood=("warm",), palette=("#ffeedd", "#ddccbb", "#884422"), light="golden"
)
RED_SQUARE = ProductImage(np.full((40, 40, 4), (200, 0, 0, 255), np.uint8), cut_out=True)


def scene_request(
    size: BannerSize = RECTANGLE, seed: int = 1, image: ProductImage | None = RED_SQUARE, brand: str | None = None
) -> SceneRequest:
    """Return a request for the scene of a blue mug in a kitchen, standing right of the middle."""
    product = Box(size.width * 0.6, size.height * 0.2, size.width * 0.3, size.height * 0.6)
    composition = Composition("t", size, Box(0, 0, 10, 10), product, size.height * 0.8, right_to_left=False)
    description = Description(subject="mug", attributes=("blue",), setting="kitchen", describer="t")
    return SceneRequest(description, COHORT, composition, seed, image, brand)
