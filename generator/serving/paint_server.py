"""A painter for many callers at once: it batches their scenes by shape and adapter and paints them on one thread.

Callers block in `paint`, one thread each; every scene waits as a ticket, a dispatcher forms batches of tickets, and the
supervised model paints one batch after the other. A caller finishes its pictures itself (fitting them to the banner;
then laying out, judging, encoding, storing) while the model paints the next batch.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from bannerstream.generator.errors import OutOfMemory, PaintingFailed
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.pipeline.ports import BatchPainter, Painting, SceneRequest, Unfinished
from bannerstream.generator.serving.batching import Batches, Ticket
from bannerstream.generator.serving.limits import BatchLimits
from bannerstream.generator.serving.supervised import SupervisedModel

log = structlog.get_logger(__name__)

PaintResult = Painting | PaintingFailed


@dataclass(frozen=True, slots=True)
class _PendingPicture:
    scene: SceneRequest
    outcome: "Future[PaintResult | Unfinished]" = field(default_factory=Future)


class PaintServer:
    """A painter for many threads around one model.

    `max_batch_size` counts pictures. A batch that runs out of memory is painted in halves, and the server remembers the
    limit per shape and adapter. A batch that is not full is painted once its oldest picture has waited `wait_s`, or at
    once when all `callers` wait already.
    """

    def __init__(
        self,
        model: SupervisedModel[BatchPainter],
        *,
        max_batch_size: int,
        wait_s: float,
        callers: int,
        metrics: GeneratorMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._limits = BatchLimits(max_batch_size)
        self._waiting: Batches[_PendingPicture] = Batches(max_size=self._limits.max_size, wait_s=wait_s)
        self._most_callers = callers
        self._metrics = metrics
        self._clock = clock
        self._callers = 0
        self._changed = threading.Condition()
        self._dispatcher: threading.Thread | None = None

    def paint(self, scenes: Sequence[SceneRequest]) -> list[PaintResult]:
        """Return, per scene and in order, its painting or the error."""
        if not scenes:
            return []
        try:
            kinds = self._model.inspect(lambda painter: [painter.batch_key(scene) for scene in scenes])
        except PaintingFailed as error:
            return [error] * len(scenes)
        pending = [_PendingPicture(scene) for scene in scenes]
        with self._changed:
            self._start()
            now_s = self._clock()
            self._waiting.add(Ticket(picture, kind, now_s) for picture, kind in zip(pending, kinds, strict=True))
            self._callers += 1
            self._changed.notify()
        try:
            return [finished(picture.outcome.result()) for picture in pending]
        finally:
            with self._changed:
                self._callers -= 1

    def _start(self) -> None:
        if self._dispatcher is None:
            self._dispatcher = threading.Thread(target=self._dispatch, name="paint-dispatcher", daemon=True)
            self._dispatcher.start()

    def _dispatch(self) -> None:
        while True:
            tickets = self._next_batch()
            try:
                self._paint_batch(tickets)
            except Exception as error:  # a dead dispatcher would leave its callers waiting for ever
                log.exception("dispatch_failed")
                _settle(tickets, PaintingFailed(f"{type(error).__name__}: {error}"))

    def _next_batch(self) -> list[Ticket[_PendingPicture]]:
        """Wait until a batch is due and return it."""
        with self._changed:
            while True:
                now_s = self._clock()
                tickets = self._waiting.take(now_s, no_more_will_come=self._callers >= self._most_callers)
                if tickets:
                    return tickets
                self._changed.wait(self._waiting.due_in_s(now_s))

    def _paint_batch(self, tickets: list[Ticket[_PendingPicture]]) -> None:
        kind, scenes = tickets[0].kind, [ticket.item.scene for ticket in tickets]
        self._metrics.images_together.observe(len(scenes))
        try:
            paintings = self._model.run(lambda painter: painter.paint_raw(scenes))
        except OutOfMemory as error:
            self._halve(tickets, kind, error)
            return
        except PaintingFailed as error:
            _settle(tickets, error)
            return
        except Exception as error:  # a model may raise anything
            _settle(tickets, PaintingFailed(f"{type(error).__name__}: {error}"))
            return
        if len(paintings) != len(tickets):
            _settle(tickets, PaintingFailed(f"{len(paintings)} paintings of {len(tickets)} scenes"))
            return
        self._limits.fitted(kind, len(tickets))
        for ticket, painting in zip(tickets, paintings, strict=True):
            ticket.item.outcome.set_result(painting)

    def _halve(self, tickets: list[Ticket[_PendingPicture]], kind: Hashable, error: OutOfMemory) -> None:
        self._metrics.out_of_memory.inc()
        if len(tickets) == 1:
            _settle(tickets, error)
            return
        self._limits.ran_out(kind, len(tickets))
        log.warning(
            "painter_out_of_memory", batch=len(tickets), kind=str(kind), now_together=self._limits.max_size(kind)
        )
        with self._changed:
            self._waiting.put_back(tickets)


def finished(outcome: PaintResult | Unfinished) -> PaintResult:
    """Return the painting of an unfinished picture, or the error."""
    if isinstance(outcome, Painting | PaintingFailed):
        return outcome
    try:
        return outcome()
    except Exception as error:  # a picture that cannot be finished fails alone
        return PaintingFailed(f"{type(error).__name__}: {error}")


def _settle(tickets: Sequence[Ticket[_PendingPicture]], error: PaintingFailed) -> None:
    for ticket in tickets:
        if not ticket.item.outcome.done():
            ticket.item.outcome.set_result(error)
