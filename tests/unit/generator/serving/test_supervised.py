"""A model whose step hangs: the step is abandoned, and the model reloaded or the process ended."""

import threading

import pytest

from bannerstream.generator.describers.lexicon import LexiconDescriber
from bannerstream.generator.errors import (
    BlackPicture,
    ModelFailed,
    ModelHung,
    OutOfMemory,
    PainterUnavailable,
    PaintingFailed,
)
from bannerstream.generator.serving.supervised import FAILURES_RUNNING, AfterHang, SupervisedModel
from bannerstream.generator.serving.supervised_text import SupervisedDescriber
from bannerstream.service.health import Health
from tests.support.serving import Hanging
from tests.support.waiting import wait_until

SOON_S = 0.05
"""How long a step may take in a test in which one hangs: what does not hang is done in far less."""


class Loads:
    """Loads models: names, counted. `fault` is raised in place of the next."""

    def __init__(self) -> None:
        self.count = 0
        self.fault: Exception | None = None

    def __call__(self) -> str:
        if self.fault is not None:
            raise self.fault
        self.count += 1
        return f"model-{self.count}"


def supervised(loads: Loads, health: Health, *, after_hang: AfterHang = "rebuild") -> SupervisedModel[str]:
    return SupervisedModel("painter", loads(), loads, timeout_s=SOON_S, after_hang=after_hang, health=health)


def test_a_step_returns_what_it_returns_and_raises_what_it_raises() -> None:
    model = supervised(Loads(), Health())
    assert model.run(lambda name: name.upper(), with_timeout=False) == "MODEL-1"

    def broken(_: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.run(broken, with_timeout=False)
    assert model.run(len, with_timeout=False) == 7


def test_a_hung_step_is_given_up_and_the_model_loaded_again(hanging: Hanging) -> None:
    loads, health = Loads(), Health()
    model = supervised(loads, health)
    with pytest.raises(ModelHung, match="did not end within"):
        model.run(hanging)
    wait_until(lambda: loads.count == 2)
    wait_until(lambda: _answers(model))
    assert model.run(str, with_timeout=False) == "model-2"
    assert health.reason is None


def test_a_step_that_is_not_watched_may_take_as_long_as_it_likes() -> None:
    late = threading.Event()
    threading.Timer(4 * SOON_S, late.set).start()
    model = supervised(Loads(), Health())
    assert model.run(lambda _: late.wait(30), with_timeout=False)
    assert model.run(str, with_timeout=False) == "model-1", "it was not given up"


def test_while_the_model_is_away_callers_are_told_at_once(hanging: Hanging) -> None:
    loads = Loads()
    model = SupervisedModel(
        "painter", loads(), lambda: hanging() or loads(), timeout_s=SOON_S, after_hang="rebuild", health=Health()
    )
    with pytest.raises(ModelHung):
        model.run(hanging)
    wait_until(lambda: hanging.entered == 2)  # loading, too
    with pytest.raises(ModelHung, match="still being reloaded"):
        model.run(str)
    with pytest.raises(ModelHung, match="still being reloaded"):
        model.inspect(str)


def test_a_model_that_hangs_again_at_once_ends_the_process(hanging: Hanging) -> None:
    loads, health = Loads(), Health()
    model = supervised(loads, health)
    for _ in range(2):
        wait_until(lambda: _there(model))
        with pytest.raises(ModelHung):
            model.run(hanging)
    assert health.reason == "the painter hung again after it was reloaded"
    assert loads.count == 2


def test_a_model_that_hangs_now_and_then_is_loaded_each_time(hanging: Hanging) -> None:
    loads, health = Loads(), Health()
    model = supervised(loads, health)
    for times in (2, 3, 4):
        with pytest.raises(ModelHung):
            model.run(hanging)
        wait_until(lambda expected=times: loads.count == expected)
        wait_until(lambda: _answers(model))
    assert health.reason is None


def test_a_model_that_cannot_be_loaded_again_ends_the_process(hanging: Hanging) -> None:
    loads, health = Loads(), Health()
    model = supervised(loads, health)
    loads.fault = OSError("no device")
    with pytest.raises(ModelHung):
        model.run(hanging)
    wait_until(lambda: health.reason is not None)
    assert "no device" in str(health.reason)


def test_where_it_is_asked_for_the_process_ends_at_the_first_hang(hanging: Hanging) -> None:
    loads, health, heard = Loads(), Health(), []
    health.add_listener(lambda: heard.append("ended"))
    model = supervised(loads, health, after_hang="exit")
    with pytest.raises(ModelHung):
        model.run(hanging)
    assert heard == ["ended"]
    health.add_listener(lambda: heard.append("late"))  # a listener that comes late is called, too
    assert heard == ["ended", "late"]
    assert loads.count == 1


def fail(model: SupervisedModel[str], error: Exception, times: int) -> None:
    def broken(_: str) -> None:
        raise error

    for _ in range(times):
        with pytest.raises(type(error)):
            model.run(broken, with_timeout=False)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: device-side assert"), ModelFailed("CUDA error")])
def test_a_model_whose_every_step_fails_ends_the_process(error: Exception) -> None:
    health = Health()
    model = supervised(Loads(), health)
    fail(model, error, FAILURES_RUNNING - 1)
    assert health.reason is None
    fail(model, error, 1)
    assert "steps of the painter failed in a row" in str(health.reason)
    assert "CUDA error" in str(health.reason)
    for ask in (model.run, model.inspect):
        with pytest.raises(PainterUnavailable, match="CUDA error"):  # at once, so that the studio paints
            ask(str)


def test_a_step_that_succeeds_forgives_those_that_failed() -> None:
    health = Health()
    model = supervised(Loads(), health)
    for _ in range(3):
        fail(model, RuntimeError("CUDA error"), FAILURES_RUNNING - 1)
        assert model.run(str, with_timeout=False) == "model-1"
    assert health.reason is None


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemory("16 do not fit"),
        OutOfMemoryError("2 GiB"),
        BlackPicture("black"),
        PaintingFailed("the service is away"),
    ],
)
def test_want_of_memory_and_what_comes_of_the_wish_do_not_count(error: Exception) -> None:
    health = Health()
    fail(supervised(Loads(), health), error, 3 * FAILURES_RUNNING)
    assert health.reason is None


def test_hangs_are_counted(hanging: Hanging) -> None:
    hangs: list[str] = []
    model = SupervisedModel(
        "painter", "m", lambda: "n", timeout_s=SOON_S, after_hang="rebuild", health=Health(),
        on_hang=lambda: hangs.append("hung"),
    )  # fmt: skip
    with pytest.raises(ModelHung):
        model.run(hanging)
    assert hangs == ["hung"]


def test_a_describer_that_hangs_raises(hanging: Hanging) -> None:
    class Stuck(LexiconDescriber):
        def describe(self, products: object) -> list[object]:
            hanging()
            return []

    model = SupervisedModel(
        "describer", Stuck(), LexiconDescriber, timeout_s=0.5, after_hang="rebuild", health=Health()
    )
    describer = SupervisedDescriber(model)
    assert describer.revision == LexiconDescriber().revision
    with pytest.raises(ModelHung):
        describer.describe([])
    wait_until(lambda: _there(model))
    assert describer.describe([]) == []


def _there(model: SupervisedModel) -> bool:
    try:
        model.inspect(lambda _: None)
    except ModelHung:
        return False
    return True


def _answers(model: SupervisedModel) -> bool:
    try:
        model.run(lambda _: None, with_timeout=False)
    except ModelHung:
        return False
    return True
