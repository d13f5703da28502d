"""What a model paints before anybody waits for it: one empty scene of each size."""

from collections.abc import Sequence

from contracts.catalog import Cohort
from contracts.manifest import Description
from contracts.sizes import BannerSize
from generator.ports import Box, Composition, SceneWish


def warm_up_wishes(sizes: Sequence[BannerSize]) -> list[SceneWish]:
    """Return a wish per size, like those that will come: what is slow only once is done with them."""
    description = Description(subject="cup", attributes=(), setting="studio", describer="warm-up")
    cohort = Cohort(cohort_id="warm-up", name="Warm-up", mood=(), palette=("#ffffff", "#dddddd", "#888888"))
    return [SceneWish(description, cohort, _composition(size), seed=0, product_image=None) for size in sizes]


def _composition(size: BannerSize) -> Composition:
    text = Box(0, 0, size.width / 2, size.height)
    return Composition("warm-up", size, text, None, size.height * 0.8, right_to_left=False)
