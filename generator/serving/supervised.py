"""A supervised model: its steps run one at a time on a thread of their own, with a time limit.

A thread cannot be stopped from outside, and a kernel that never returns holds its thread for good. So a hung thread is
abandoned (it is a daemon and dies with the process) and the model is reloaded on another one. Where that does not help,
or the settings turn it off, the process ends, and its supervisor starts one with a fresh device. The process also ends
when step after step fails: a CUDA error ("device-side assert", "unspecified launch failure") breaks every later call.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Literal, TypeVar

import structlog

from bannerstream.generator.errors import ModelFailed, ModelHung, PainterUnavailable, PaintingFailed
from bannerstream.service.health import Health

log = structlog.get_logger(__name__)

LOADING_S = 900.0
"""Longest reload: the largest model loads in minutes, compiling included."""

FAILURES_RUNNING = 8
"""Steps that fail in a row before the model is lost. A banner's pictures have up to three shapes and two attempts each:
one bad banner fails six steps, not eight."""

_OUT_OF_MEMORY = ("OutOfMemory", "OutOfMemoryError", "MemoryError")
"""Ours, torch's (by its name: not every process has torch) and Python's."""

AfterHang = Literal["rebuild", "exit"]
Model = TypeVar("Model")
Result = TypeVar("Result")


class SupervisedModel(Generic[Model]):
    """A loaded model, with the function that reloads it. Any thread may call `run`; callers wait for their turn.

    `on_hang` is called once per hung step, for counting.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        load: Callable[[], Model],
        *,
        timeout_s: float,
        after_hang: AfterHang,
        health: Health,
        on_hang: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._model: Model | None = model
        self._load = load
        self._timeout_s = timeout_s
        self._after_hang = after_hang
        self._health = health
        self._on_hang = on_hang
        self._turn = threading.Lock()
        self._thread = _ModelThread(name)
        self._step_completed = True
        """A step has ended since the model was loaded. A model that hangs twice in a row is not loaded a third time."""
        self._loading_since = 0.0
        self._failures = 0
        """Failed steps since the last success."""
        self._lost: str | None = None
        """Why the model failed for good; None while it works."""

    def run(self, step: Callable[[Model], Result], *, with_timeout: bool = True) -> Result:
        """Run `step` with the model; return what it returns and raise what it raises.

        Without `with_timeout` a step has no time limit: for warming up, before any caller waits.

        Raises:
            ModelHung: the step did not end within `timeout_s`, or the model is being reloaded.
            PainterUnavailable: the model is lost.
        """
        with self._turn:
            model = self._model
            if model is None:
                raise self._unavailable()
            future = self._thread.submit(lambda: step(model))
            try:
                result = future.result(self._timeout_s if with_timeout else None)
            except TimeoutError as error:
                if future.done():  # the step itself raised it
                    raise
                self._abandon()
                raise ModelHung(self._hang_reason()) from error
            except Exception as error:
                self._step_completed = True
                self._count(error)
                raise
            self._step_completed, self._failures = True, 0
            return result

    def inspect(self, read: Callable[[Model], Result]) -> Result:
        """Return what `read` returns for the model, in the calling thread at any time: for constant attributes only.

        Raises:
            ModelHung: the model is being reloaded.
            PainterUnavailable: the model is lost.
        """
        if (model := self._model) is None:
            raise self._unavailable()
        return read(model)

    def _count(self, error: Exception) -> None:
        """Count a failed step, unless its error type shows that the model works."""
        if type(error).__name__ in _OUT_OF_MEMORY:
            return
        if isinstance(error, PaintingFailed) and not isinstance(error, ModelFailed):
            return
        self._failures += 1
        if self._failures >= FAILURES_RUNNING:
            log.error("model_failing", model=self._name, steps=self._failures, error=repr(error))
            self._model = None
            self._lost = f"{self._failures} steps of the {self._name} failed in a row, the last with {error!r}"
            self._health.fail(self._lost)

    def _hang_reason(self) -> str:
        return f"a step of the {self._name} did not end within {self._timeout_s:g} s"

    def _abandon(self) -> None:
        log.error("model_hung", model=self._name, seconds=self._timeout_s, then=self._after_hang)
        self._on_hang()
        self._model = None
        self._loading_since = time.monotonic()
        if self._after_hang == "exit":
            self._health.fail(self._hang_reason())
        elif not self._step_completed:
            self._health.fail(f"the {self._name} hung again after it was reloaded")
        else:
            self._step_completed = False
            self._thread = _ModelThread(self._name)
            self._thread.submit(self._load_again)

    def _load_again(self) -> None:
        try:
            self._model = self._load()
        except Exception as error:
            log.exception("model_not_loaded_again", model=self._name)
            self._health.fail(f"the {self._name} hung and could not be reloaded: {error}")
            return
        log.info("model_loaded_again", model=self._name, seconds=round(time.monotonic() - self._loading_since, 1))

    def _unavailable(self) -> PainterUnavailable:
        """Return why the model is unavailable; end the process if reloading hangs too."""
        if self._lost is not None:
            return PainterUnavailable(self._lost)
        waited = time.monotonic() - self._loading_since
        if waited > LOADING_S:
            self._health.fail(f"the {self._name} hung, and reloading it hangs too")
        return ModelHung(f"the {self._name} hung {waited:.0f} s ago and is still being reloaded")


class _ModelThread:
    """A daemon thread that runs one step after the other. It is abandoned when a step never ends."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._go, name=f"model-{name}", daemon=True).start()

    def submit(self, step: Callable[[], Result]) -> "Future[Result]":
        """Queue a step and return its future."""
        future: Future[Result] = Future()

        def settle() -> None:
            try:
                future.set_result(step())
            except BaseException as error:  # the caller that waits for the future handles it
                future.set_exception(error)

        self._work.put(settle)
        return future

    def _go(self) -> None:
        while True:
            self._work.get()()
