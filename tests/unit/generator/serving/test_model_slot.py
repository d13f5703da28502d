"""A slot loads its model once, and warms it up each time it is loaded."""

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.generator.errors import ModelHung
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.serving.model_slot import ModelSlot
from bannerstream.service.health import Health
from bannerstream.settings import GeneratorSettings
from tests.support.serving import Hanging
from tests.support.waiting import wait_until

SETTINGS = GeneratorSettings(step_timeout_s=0.2)


def metrics() -> GeneratorMetrics:
    return GeneratorMetrics(CollectorRegistry())


class Loading:
    """Counts loads and warm-ups; each model is the number of its load."""

    def __init__(self) -> None:
        self.loads = 0
        self.warmed: list[int] = []

    def __call__(self) -> int:
        self.loads += 1
        return self.loads


def test_a_model_loads_on_first_use_and_once() -> None:
    loading = Loading()
    slot = ModelSlot("painter", loading)
    assert loading.loads == 0
    first, second = (slot.supervised(SETTINGS, metrics(), Health()) for _ in range(2))
    assert first is second
    assert (loading.loads, loading.warmed) == (1, [])


def test_a_model_that_hung_is_warm_again_when_it_is_back(hanging: Hanging) -> None:
    loading, counted = Loading(), metrics()
    model = ModelSlot("painter", loading).supervised(SETTINGS, counted, Health(), warm=loading.warmed.append)
    assert loading.warmed == [1]
    with pytest.raises(ModelHung):
        model.run(hanging)
    wait_until(lambda: loading.warmed == [1, 2])
    assert counted.hangs.labels("painter")._value.get() == 1
