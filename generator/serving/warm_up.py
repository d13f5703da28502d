"""Warms a painter up with an empty scene of each size, so that one-time costs end before the first request."""

from collections.abc import Hashable, Sequence

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Description
from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.errors import OutOfMemory, PaintingFailed
from bannerstream.generator.pipeline.ports import BatchPainter, Box, Composition, SceneRequest
from bannerstream.generator.serving.paint_server import finished


def warm(painter: BatchPainter, scenes: Sequence[SceneRequest], batches: Sequence[int] = (1,)) -> None:
    """Paint the first scene of each kind in batches of these sizes, and discard the pictures.

    A batch that runs out of memory is halved, as the paint server does.

    Raises:
        PaintingFailed: the model cannot paint.
    """
    first: dict[Hashable, SceneRequest] = {}
    for scene in scenes:
        first.setdefault(painter.batch_key(scene), scene)
    for scene in first.values():
        for pictures in batches:
            _paint(painter, scene, pictures)


def _paint(painter: BatchPainter, scene: SceneRequest, pictures: int) -> None:
    while True:
        try:
            painted = painter.paint_raw([scene] * pictures)
            break
        except OutOfMemory:
            if pictures == 1:
                raise
        pictures //= 2
    for outcome in map(finished, painted):
        if isinstance(outcome, PaintingFailed):
            raise outcome


def warm_up_scenes(sizes: Sequence[BannerSize]) -> list[SceneRequest]:
    """Return one typical scene per size."""
    description = Description(subject="cup", attributes=(), setting="studio", describer="warm-up")
    cohort = Cohort(cohort_id="warm-up", name="Warm-up", mood=(), palette=("#ffffff", "#dddddd", "#888888"))
    return [SceneRequest(description, cohort, _composition(size), seed=0, product_image=None) for size in sizes]


def _composition(size: BannerSize) -> Composition:
    text = Box(0, 0, size.width / 2, size.height)
    return Composition("warm-up", size, text, None, size.height * 0.8, right_to_left=False)
