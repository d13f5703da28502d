"""A model under watch: its steps run one at a time on a thread of their own, and one that hangs is given up.

A thread cannot be stopped from outside, and a kernel that never returns holds its thread for good. So the thread is
left behind (it is a daemon and dies with the process) and the model is loaded anew on another one. Where that does not
help, or is not wanted, the process ends: its supervisor starts one whose device is fresh. So it does when step after
step fails: an error of CUDA ("device-side assert", "unspecified launch failure") holds for all that the process does.
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
"""A model that is not there after this long will not come: the largest loads in minutes, compiling included."""

FAILURES_RUNNING = 8
"""Steps that fail one after the other, and then the model is lost. A banner's pictures are of up to three shapes, and
are asked for twice: six failed steps may be what one banner asks for, eight are not."""

_OUT_OF_MEMORY = ("OutOfMemory", "OutOfMemoryError", "MemoryError")
"""Ours, torch's (by its name: not every process has torch) and Python's."""

AfterHang = Literal["rebuild", "exit"]
Model = TypeVar("Model")
Result = TypeVar("Result")


class SupervisedModel(Generic[Model]):
    """A loaded model, and how to load it again. Any thread may call `run`; callers wait for their turn.

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
        """A step has ended since the model was loaded. A model that hangs twice running is not loaded a third time."""
        self._loading_since = 0.0
        self._failures = 0
        """Steps that failed since the last that did not."""
        self._lost: str | None = None
        """Why the model failed for good."""

    def run(self, step: Callable[[Model], Result], *, with_timeout: bool = True) -> Result:
        """Return what `step` makes of the model, and raise what it raises.

        A step that is not `watched` may take as long as it likes: for what is done before anybody waits.

        Raises:
            ModelHung: the step did not end within `timeout_s`, or the model is being loaded anew.
            PainterUnavailable: the model is lost.
        """
        with self._turn:
            model = self._model
            if model is None:
                raise self._unavailable()
            future = self._thread.do(lambda: step(model))
            try:
                result = future.result(self._timeout_s if with_timeout else None)
            except TimeoutError as error:
                if future.done():  # the step's own
                    raise
                self._abandon()
                raise ModelHung(self._hang_reason()) from error
            except Exception as error:
                self._step_completed = True
                self._count(error)
                raise
            self._step_completed, self._failures = True, 0
            return result

    def inspect(self, look: Callable[[Model], Result]) -> Result:
        """Return what `look` sees of the model, in the calling thread and at any time: only for what never changes.

        Raises:
            ModelHung: the model is being loaded anew.
            PainterUnavailable: the model is lost.
        """
        if (model := self._model) is None:
            raise self._unavailable()
        return look(model)

    def _count(self, error: Exception) -> None:
        """Count a failed step, unless it says of itself that it does not come of a broken model."""
        if type(error).__name__ in _OUT_OF_MEMORY:
            return
        if isinstance(error, PaintingFailed) and not isinstance(error, ModelFailed):
            return
        self._failures += 1
        if self._failures >= FAILURES_RUNNING:
            log.error("model_failing", model=self._name, steps=self._failures, error=repr(error))
            self._model = None
            self._lost = f"{self._failures} steps of the {self._name} failed running, the last with {error!r}"
            self._health.lose(self._lost)

    def _hang_reason(self) -> str:
        return f"a step of the {self._name} did not end within {self._timeout_s:g} s"

    def _abandon(self) -> None:
        log.error("model_hung", model=self._name, seconds=self._timeout_s, then=self._after_hang)
        self._on_hang()
        self._model = None
        self._loading_since = time.monotonic()
        if self._after_hang == "exit":
            self._health.lose(self._hang_reason())
        elif not self._step_completed:
            self._health.lose(f"the {self._name} hung again after it was loaded anew")
        else:
            self._step_completed = False
            self._thread = _ModelThread(self._name)
            self._thread.do(self._load_again)

    def _load_again(self) -> None:
        try:
            self._model = self._load()
        except Exception as error:
            log.exception("model_not_loaded_again", model=self._name)
            self._health.lose(f"the {self._name} hung and could not be loaded anew: {error}")
            return
        log.info("model_loaded_again", model=self._name, seconds=round(time.monotonic() - self._loading_since, 1))

    def _unavailable(self) -> PainterUnavailable:
        """Return why there is no model now; end the process where loading hangs too."""
        if self._lost is not None:
            return PainterUnavailable(self._lost)
        waited = time.monotonic() - self._loading_since
        if waited > LOADING_S:
            self._health.lose(f"the {self._name} hung, and so does loading it anew")
        return ModelHung(f"the {self._name} hung {waited:.0f} s ago and is not back yet")


class _ModelThread:
    """A daemon thread that does one thing after the other. Left to itself when one of them never ends."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._go, name=f"model-{name}", daemon=True).start()

    def do(self, step: Callable[[], Result]) -> "Future[Result]":
        """Return the future of a step."""
        future: Future[Result] = Future()

        def settle() -> None:
            try:
                future.set_result(step())
            except BaseException as error:  # whoever waits for it judges it
                future.set_exception(error)

        self._work.put(settle)
        return future

    def _go(self) -> None:
        while True:
            self._work.get()()
