"""A painter of one's own stands behind the same server as diffusers: batches by size, halves, a watch on every call."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bannerstream.contracts.sizes import BILLBOARD, RECTANGLE
from bannerstream.generator.assembly import build_composer
from bannerstream.generator.errors import ModelHung
from bannerstream.generator.pipeline.ports import Painting, SceneRequest
from bannerstream.settings import DiffusionSettings, GeneratorSettings
from tests.support.scene_requests import scene_request
from tests.support.waiting import wait_until

SHOP_PAINTERS = '''
import threading
from bannerstream.generator.errors import OutOfMemory
from bannerstream.generator.studio import StudioPainter

CALLS = []

class Plain:
    """Notes what it is asked for together; takes two pictures at most."""
    def __init__(self, settings):
        self.studio = StudioPainter()
    def paint(self, scenes):
        CALLS.append([each.composition.size.name for each in scenes])
        if len(scenes) > 2:
            raise OutOfMemory("two at most")
        return self.studio.paint(scenes)

class BySeed(Plain):
    def batch_key(self, scene):
        return scene.seed

class Hangs(Plain):
    def paint(self, scenes):
        threading.Event().wait()

class HangsOnce(Plain):
    """Hangs where a request is painted, the first time."""
    made = 0
    def __init__(self, settings):
        super().__init__(settings)
        HangsOnce.made += 1
        self.number = HangsOnce.made
    def paint(self, scenes):
        if self.number == 1 and scenes[0].seed == 7:
            threading.Event().wait()
        return super().paint(scenes)
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of painters, in the working folder."""
    (tmp_path / "shop_painters.py").write_text(SHOP_PAINTERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "shop_painters", raising=False)
    return "shop_painters"


def painted(painter: str, *scenes: SceneRequest, **more: object) -> list[object]:
    settings = GeneratorSettings(painter=painter, **more)
    with ThreadPoolExecutor(1) as executor:
        return list(build_composer(settings, executor).painter.paint(scenes))


def test_pictures_of_one_size_are_painted_together_and_in_halves_where_memory_is_short(shop: str) -> None:
    asked = [scene_request(RECTANGLE, seed=seed) for seed in range(4)] + [scene_request(BILLBOARD)]
    paintings = painted(f"{shop}:Plain", *asked)
    assert [each.pixels.shape[1] for each in paintings if isinstance(each, Painting)] == [300] * 4 + [970]
    calls = sys.modules[shop].CALLS
    assert all(len(set(call)) == 1 for call in calls)
    assert sorted(len(call) for call in calls) == [1, 2, 2, 4]


def test_a_batch_key_of_its_own_is_kept(shop: str) -> None:
    painted(
        f"{shop}:BySeed",
        scene_request(RECTANGLE, seed=1),
        scene_request(BILLBOARD, seed=1),
        scene_request(RECTANGLE, seed=2),
    )
    assert sorted(map(len, sys.modules[shop].CALLS)) == [1, 2]


def test_one_that_never_returns_is_given_up(shop: str) -> None:
    (outcome,) = painted(f"{shop}:Hangs", scene_request(), step_timeout_s=1)
    assert isinstance(outcome, ModelHung)


@pytest.mark.parametrize(("compiled", "batches"), [(False, [1]), (True, [1, 4, 2])])
def test_it_paints_each_size_before_anybody_waits_and_many_at_once_where_it_is_compiled(
    shop: str, compiled: bool, batches: list[int]
) -> None:
    settings = GeneratorSettings(
        painter=f"{shop}:Plain", images_together=4, diffusion=DiffusionSettings(compile=compiled)
    )
    with ThreadPoolExecutor(1) as executor:
        build_composer(settings, executor, (RECTANGLE, BILLBOARD), warm_up=True)
    assert list(map(len, sys.modules[shop].CALLS)) == batches * 2


def test_loaded_again_it_is_warm_again(shop: str) -> None:
    settings = GeneratorSettings(painter=f"{shop}:HangsOnce", step_timeout_s=2)
    with ThreadPoolExecutor(1) as executor:
        painter = build_composer(settings, executor, (RECTANGLE,), warm_up=True).painter
    assert len(sys.modules[shop].CALLS) == 1
    (outcome,) = painter.paint([scene_request(seed=7)])
    assert isinstance(outcome, ModelHung)
    wait_until(lambda: len(sys.modules[shop].CALLS) == 2)
