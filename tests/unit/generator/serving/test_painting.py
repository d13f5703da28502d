"""Painting for many callers: together by kind, in halves without memory, and an answer for everyone."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.contracts.sizes import BILLBOARD, RECTANGLE
from bannerstream.generator.errors import BlackPicture, ModelHung, OutOfMemory, PaintingFailed
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.pipeline.fakes import FakePainter
from bannerstream.generator.pipeline.ports import Painting, SceneRequest
from bannerstream.generator.serving.model_slot import ModelSlot
from bannerstream.generator.serving.paint_server import PaintServer
from bannerstream.generator.serving.supervised import SupervisedModel
from bannerstream.generator.serving.warm_up import warm
from bannerstream.service.health import Health
from bannerstream.settings import GeneratorSettings
from tests.support.serving import Hanging, scene_request
from tests.support.waiting import wait_until

LONG_S = 60.0
"""Longer than any test: a batch that has to wait for its age would be seen."""


def server(
    painter: FakePainter, *, max_batch_size: int = 8, wait_s: float = 0.0, callers: int = 99, timeout_s: float = 30.0
) -> PaintServer:
    model = SupervisedModel(
        "painter", painter, lambda: painter, timeout_s=timeout_s, after_hang="rebuild", health=Health()
    )
    metrics = GeneratorMetrics(CollectorRegistry())
    return PaintServer(model, max_batch_size=max_batch_size, wait_s=wait_s, callers=callers, metrics=metrics)


def slot(painter: FakePainter, warming: Callable[[FakePainter], None]) -> SupervisedModel[FakePainter]:
    settings, metrics = GeneratorSettings(step_timeout_s=0.05), GeneratorMetrics(CollectorRegistry())
    return ModelSlot("painter", lambda: painter).supervised(settings, metrics, Health(), warm=warming)


@contextmanager
def at_once(count: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(count) as threads:
        yield threads


def paintings(outcomes: Sequence[Painting | PaintingFailed]) -> list[tuple[int, ...]]:
    assert all(isinstance(each, Painting) for each in outcomes), outcomes
    return [each.pixels.shape for each in outcomes if isinstance(each, Painting)]


def test_each_caller_gets_its_own_pictures_in_order() -> None:
    painter = FakePainter()
    serving = server(painter, max_batch_size=3)
    scenes = [
        [scene_request(RECTANGLE, seed=n), scene_request(BILLBOARD, seed=n), scene_request(RECTANGLE, seed=n + 50)]
        for n in range(6)
    ]
    with at_once(6) as threads:
        answers = list(threads.map(serving.paint, scenes))
    for asked, outcomes in zip(scenes, answers, strict=True):
        assert paintings(outcomes) == [(250, 300, 3), (250, 970, 3), (250, 300, 3)]
        assert [int(each.pixels[0, 0, 0]) for each in outcomes] == [64 + each.seed % 128 for each in asked]
    assert sum(map(len, painter.batches)) == 18
    assert max(map(len, painter.batches)) <= 3


def test_callers_are_painted_together_by_kind() -> None:
    painter = FakePainter()
    serving = server(painter, wait_s=LONG_S, callers=2)  # nothing is due before both are there
    with at_once(2) as threads:
        list(threads.map(serving.paint, [[scene_request(RECTANGLE), scene_request(BILLBOARD)]] * 2))
    assert [len(batch) for batch in painter.batches] == [2, 2]


def test_a_full_batch_waits_for_nobody() -> None:
    painter = FakePainter()
    assert (
        len(server(painter, max_batch_size=2, wait_s=LONG_S).paint([scene_request(seed=1), scene_request(seed=2)])) == 2
    )


def test_a_batch_that_is_not_full_goes_when_it_has_waited() -> None:
    painter = FakePainter()
    assert len(server(painter, max_batch_size=8, wait_s=0.01).paint([scene_request()])) == 1


def scarce(memory: int) -> Callable[[Sequence[SceneRequest]], None]:
    def fault(scenes: Sequence[SceneRequest]) -> None:
        if len(scenes) > memory:
            raise OutOfMemory(f"out of memory for {len(scenes)} pictures")

    return fault


def test_when_memory_runs_out_halves_are_painted_and_that_is_remembered() -> None:
    painter = FakePainter(fault=scarce(2))
    serving = server(painter)
    assert len(paintings(serving.paint([scene_request(seed=n) for n in range(8)]))) == 8
    assert [len(batch) for batch in painter.batches] == [8, 4, 2, 2, 2, 2]
    painter.batches.clear()
    assert len(paintings(serving.paint([scene_request(seed=n) for n in range(8)]))) == 8
    assert [len(batch) for batch in painter.batches] == [2, 2, 2, 2]


def test_a_picture_that_memory_does_not_hold_alone_fails_and_says_so() -> None:
    (outcome,) = server(FakePainter(fault=scarce(0))).paint([scene_request()])
    assert isinstance(outcome, OutOfMemory)


@pytest.mark.parametrize("error", [PaintingFailed("no"), BlackPicture("black"), RuntimeError("CUDA error")])
def test_what_the_model_raises_reaches_the_callers_and_the_next_batch_is_painted(error: Exception) -> None:
    def fault(_: Sequence[SceneRequest]) -> None:
        raise error

    painter = FakePainter(fault=fault)
    serving = server(painter)
    (outcome,) = serving.paint([scene_request()])
    assert isinstance(outcome, PaintingFailed)
    assert str(error) in str(outcome)
    painter.fault = lambda _: None
    assert paintings(serving.paint([scene_request()]))


def test_a_painter_that_returns_too_few_fails_its_batch() -> None:
    class Short(FakePainter):
        def paint_raw(self, scenes: Sequence[SceneRequest]) -> list[Painting]:
            return super().paint_raw(scenes)[1:]

    (outcome,) = server(Short()).paint([scene_request()])
    assert isinstance(outcome, PaintingFailed)


def test_a_hung_step_fails_for_all_who_wait_and_the_model_comes_back(hanging: Hanging) -> None:
    painter = FakePainter(fault=hanging)
    serving = server(painter, max_batch_size=2, timeout_s=0.5)
    with at_once(3) as threads:
        answers = list(threads.map(serving.paint, [[scene_request(seed=n)] for n in range(3)]))
    assert all(isinstance(outcome, ModelHung) for (outcome,) in answers)
    painter.fault = lambda _: None
    wait_until(lambda: isinstance(serving.paint([scene_request()])[0], Painting))


def test_warming_up_takes_as_long_as_it_takes() -> None:
    compiled = threading.Event()
    threading.Timer(0.2, compiled.set).start()
    painter = FakePainter(fault=lambda _: compiled.wait(30) or None)
    slot(painter, lambda model: warm(model, [scene_request(RECTANGLE)]))
    assert len(painter.batches) == 1


def test_the_model_is_warmed_with_one_picture_of_each_kind() -> None:
    painter = FakePainter()
    warm(painter, [scene_request(RECTANGLE), scene_request(BILLBOARD), scene_request(RECTANGLE)])
    assert [len(batch) for batch in painter.batches] == [1, 1]


def test_where_it_is_compiled_it_is_warmed_with_many_too_or_as_many_as_fit() -> None:
    painter = FakePainter(fault=scarce(2))
    warm(painter, [scene_request(RECTANGLE), scene_request(BILLBOARD)], batches=(1, 8))
    assert [len(batch) for batch in painter.batches] == [1, 8, 4, 2] * 2


def test_a_model_that_cannot_paint_does_not_get_ready() -> None:
    painter = FakePainter(fault=scarce(0))
    with pytest.raises(OutOfMemory):
        slot(painter, lambda model: warm(model, [scene_request()], batches=(1, 8)))


def test_pictures_are_finished_while_the_next_are_painted() -> None:
    """The first caller has its pictures while the second's step is still going on."""
    first_is_back = threading.Event()

    def fault(scenes: Sequence[SceneRequest]) -> None:
        if scenes[0].seed == 2:
            assert first_is_back.wait(30), "the first caller waited for the second's pictures"

    serving = server(FakePainter(fault=fault), max_batch_size=1)
    with at_once(2) as threads:
        first = threads.submit(serving.paint, [scene_request(seed=1)])
        second = threads.submit(serving.paint, [scene_request(seed=2)])
        assert paintings(first.result())
        first_is_back.set()
        assert paintings(second.result())


class Raw(FakePainter):
    """Leaves its pictures unfinished, as a model does; `finish` is called on the thread that finishes one."""

    def __init__(self, finish: Callable[[SceneRequest], None]) -> None:
        super().__init__()
        self._finish = finish

    def paint_raw(self, scenes: Sequence[SceneRequest]) -> list[Callable[[], Painting]]:
        return [partial(self._finished, *pair) for pair in zip(scenes, self.paint(scenes), strict=True)]

    def _finished(self, scene: SceneRequest, painting: Painting) -> Painting:
        self._finish(scene)
        return painting


def test_a_caller_finishes_its_pictures_while_the_model_paints_for_another() -> None:
    second_is_back = threading.Event()

    def finish(scene: SceneRequest) -> None:
        if scene.seed == 1:
            assert second_is_back.wait(30), "the model waited until the first caller had finished"

    serving = server(Raw(finish), max_batch_size=1)
    with at_once(1) as threads:
        first = threads.submit(serving.paint, [scene_request(seed=1)])
        assert paintings(serving.paint([scene_request(seed=2)]))
        second_is_back.set()
        assert paintings(first.result())


def test_a_picture_that_cannot_be_finished_fails_alone() -> None:
    def finish(scene: SceneRequest) -> None:
        if scene.seed == 1:
            raise ZeroDivisionError("no colours")

    broken, whole = server(Raw(finish)).paint([scene_request(seed=1), scene_request(seed=2)])
    assert isinstance(broken, PaintingFailed)
    assert "ZeroDivisionError: no colours" in str(broken)
    assert paintings([whole])
