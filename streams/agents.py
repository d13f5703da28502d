"""The agent of the streams app: what happens to each batch of events and of erasures."""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from bannerstream.streams.batching import BatchApp
from bannerstream.streams.erasure import ErasureProcessor, IdleSweep
from bannerstream.streams.event_processor import EventProcessor

if TYPE_CHECKING:
    from bannerstream.streams.decision_sweep import DecisionSweep


def affinity_agent(
    app: BatchApp,
    *,
    erasures_topic: str,
    events: EventProcessor,
    erasures: ErasureProcessor,
    sweep: IdleSweep,
    decision_sweep: "DecisionSweep",
) -> Callable[[Any], Awaitable[None]]:
    """Return the agent that folds batches with these processors and submits the results to the app's checkpointer."""

    async def update_affinity(stream: Any) -> None:
        """Fold clicks and purchases into the affinity table, submit what changed, and process erasures."""
        async for batch, states in app.batches(stream):
            now_ms = time.time_ns() // 1_000_000
            if batch.tp.topic == erasures_topic:
                erasures.fold(batch, states, now_ms)
                continue
            outcome = events.fold(batch, states)
            app.checkpointer.submit(batch, urgent=outcome.urgent, effects=outcome if outcome.has_effects else None)
            sweep.sweep_if_due(batch, states, now_ms)
            decision_sweep.sweep_if_due(batch, states)

    return update_affinity
