"""The models that the settings supervise: a hung one is abandoned, and banners are made without it."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bannerstream.generator.assembly import build_composer, build_pipeline
from bannerstream.generator.errors import NotScreened
from bannerstream.generator.pipeline.fakes import FakeStore
from bannerstream.generator.pipeline.ports import ProductImage
from bannerstream.settings import GeneratorSettings
from bannerstream.settings.generator_gates import GateSettings
from tests.support.generator_fakes import RequestFor
from tests.support.serving import Hanging

SHOP_PAINTER = """
import numpy as np
from bannerstream.contracts.manifest import Provenance
from bannerstream.generator.pipeline.ports import Painting

class AsAModel:
    def __init__(self, settings):
        pass
    def paint(self, scenes):
        return [Painting(dusk(scene.composition.size), "left", Provenance(painter="shop", engine="diffusers"))
                for scene in scenes]

def dusk(size):
    slope = np.linspace(250, 150, size.height).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(slope[:, None, None], (size.height, size.width, 3)))
"""
SOON_S = 1.0
"""How long a step may take: painting a slope takes milliseconds."""
MUG = ProductImage(np.full((20, 20, 4), (0, 0, 200, 255), np.uint8), cut_out=True)


@pytest.fixture
def model(hanging: Hanging) -> type:
    """Return a model that never answers, whatever it is asked."""

    class Stuck:
        name = "stuck"

        def __init__(self, *_: object, **__: object) -> None:
            pass

        def probability(self, *_: object) -> float:
            hanging()
            return 0.0

        similarities = probability

    return Stuck


@pytest.fixture
def painter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the setting of a painter of the shop's own, whose pictures count as a model's."""
    (tmp_path / "shop_painter.py").write_text(SHOP_PAINTER)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield "shop_painter:AsAModel"
    sys.modules.pop("shop_painter", None)


def test_a_scene_that_the_classifier_hangs_on_gives_way_to_the_studios(
    model: type, painter: str, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.generator.gates.nudity.TransformersNudity", model)
    settings = GeneratorSettings(painter=painter, gates=GateSettings(nudity_model="x"), step_timeout_s=SOON_S)
    with ThreadPoolExecutor(1) as executor:
        composed = build_composer(settings, executor).compose(request_for(), MUG)
    assert composed.provenance.engine == "studio"
    assert f"a step of the classifier did not end within {SOON_S:g} s" in str(composed.provenance.fallback_reason)


def test_a_request_waits_while_the_classifier_hangs_on_its_products_picture(
    model: type, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.generator.gates.nudity.TransformersNudity", model)
    store = FakeStore()
    store.images["mug.png"] = (MUG.pixels, True)
    settings = GeneratorSettings(gates=GateSettings(nudity_model="x"), step_timeout_s=SOON_S)
    with pytest.raises(NotScreened):
        build_pipeline(settings, store).make([request_for(image_key="mug.png")])
    assert not store.manifests
    assert not store.blocks


def test_a_likeness_that_hangs_leaves_the_first_picture(
    model: type, painter: str, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bannerstream.generator.personal.likeness.ClipLikeness", model)
    settings = GeneratorSettings(
        painter=painter, personal=0.5, personal_model="x", personal_candidates=2, step_timeout_s=SOON_S
    )
    with ThreadPoolExecutor(1) as executor:
        composed = build_composer(settings, executor).compose(request_for(), None)
    style = composed.provenance.personal
    assert style is not None
    assert (composed.provenance.engine, style.candidates, style.judged_by) == ("diffusers", 2, None)
