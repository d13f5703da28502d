"""A model under watch: its steps run one at a time on a thread of their own, and one that hangs is given up.

A thread cannot be stopped from outside, and a kernel that never returns holds its thread for good. So the thread is
left behind (it is a daemon and dies with the process) and the model is loaded anew on another one. Where that does not
help, or is not wanted, the process ends: its supervisor starts one whose device is fresh.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Literal, TypeVar

import structlog

from generator.errors import ModelHung
from generator.serving.health import Health

log = structlog.get_logger(__name__)

LOADING_S = 900.0
"""A model that is not there after this long will not come: the largest loads in minutes, compiling included."""

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
        self._proved = True
        """A step has ended since the model was loaded. A model that hangs twice running is not loaded a third time."""
        self._loading_since = 0.0

    def run(self, step: Callable[[Model], Result], *, timeout_s: float | None = None) -> Result:
        """Return what `step` makes of the model, and raise what it raises.

        Raises:
            ModelHung: the step did not end within `timeout_s`, or the model is being loaded anew.
        """
        with self._turn:
            model = self._model
            if model is None:
                raise ModelHung(self._away())
            timeout_s = timeout_s or self._timeout_s
            future = self._thread.do(lambda: step(model))
            try:
                result = future.result(timeout_s)
            except TimeoutError as error:
                if future.done():  # the step's own
                    raise
                self._give_up(timeout_s)
                raise ModelHung(f"a step of the {self._name} did not end within {timeout_s:g} s") from error
            except BaseException:
                self._proved = True
                raise
            self._proved = True
            return result

    def peek(self, look: Callable[[Model], Result]) -> Result:
        """Return what `look` sees of the model, in the calling thread and at any time: only for what never changes.

        Raises:
            ModelHung: the model is being loaded anew.
        """
        if (model := self._model) is None:
            raise ModelHung(self._away())
        return look(model)

    def _give_up(self, timeout_s: float) -> None:
        log.error("model_hung", model=self._name, seconds=timeout_s, then=self._after_hang)
        self._on_hang()
        self._model = None
        self._loading_since = time.monotonic()
        if self._after_hang == "exit":
            self._health.lose(f"a step of the {self._name} did not end within {timeout_s:g} s")
        elif not self._proved:
            self._health.lose(f"the {self._name} hung again after it was loaded anew")
        else:
            self._proved = False
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

    def _away(self) -> str:
        """Return why there is no model now; end the process where loading hangs too."""
        waited = time.monotonic() - self._loading_since
        if waited > LOADING_S:
            self._health.lose(f"the {self._name} hung, and so does loading it anew")
        return f"the {self._name} hung {waited:.0f} s ago and is not back yet"


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
