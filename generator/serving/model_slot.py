"""A place for one model: loads it on first use, warms it up, supervises it, and does the same again after a hang."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.serving.supervised import SupervisedModel
from bannerstream.service.health import Health
from bannerstream.settings import GeneratorSettings

log = structlog.get_logger(__name__)

Model = TypeVar("Model")


class ModelSlot(Generic[Model]):
    """One model of the process. `load` is called when the model is first used, and again after a hang."""

    def __init__(self, name: str, load: Callable[[], Model]) -> None:
        self.name = name
        self._load = load
        self._supervised: SupervisedModel[Model] | None = None

    def supervised(
        self,
        settings: GeneratorSettings,
        metrics: GeneratorMetrics,
        health: Health,
        *,
        warm: Callable[[Model], None] | None = None,
    ) -> SupervisedModel[Model]:
        """Return the model under supervision; every call returns the same one.

        `warm` runs on the model's own thread, where libraries keep some of what they learn, and after every reload. It
        has no time limit: compiling takes minutes.

        Raises:
            ConfigurationError: the model cannot be loaded, or the device is missing.
            Exception: whatever `warm` raises.
        """
        if self._supervised is None:
            supervised = SupervisedModel(
                self.name,
                self._load(),
                lambda: self._loaded_and_warm(warm),
                timeout_s=settings.step_timeout_s,
                after_hang=settings.after_hang,
                health=health,
                on_hang=metrics.hangs.labels(self.name).inc,
            )
            if warm is not None:
                event, started = f"{self.name}_warm", time.monotonic()
                supervised.run(warm, with_timeout=False)
                log.info(event, seconds=round(time.monotonic() - started, 1))
            self._supervised = supervised  # only now: a caller that tries again gets a model that is warm
        return self._supervised

    def _loaded_and_warm(self, warm: Callable[[Model], None] | None) -> Model:
        model = self._load()
        if warm is not None:
            warm(model)
        return model
