"""The time as the brokers have it, learned from their acknowledgements.

What the edge dates (events, tokens) is compared with other clocks: streams takes the brokers' time of a record for its
arrival, and the shop's servers sign dates. A node whose own clock is minutes off would date events into the future, and
refuse valid tokens.
"""

import math
import time
from collections.abc import Callable

import structlog

from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.service.clock_offset import ClockOffset

_log = structlog.get_logger(__name__)

NOTABLE_S = 1.0
"""A change of the offset by this much is logged. Machines with a time service agree within milliseconds."""


class BrokerClock:
    """This machine's clock without its offset from the brokers'. `own`: epoch seconds.

    Without offset until the first record is acknowledged, and where the topics keep the times of clients.
    """

    def __init__(self, metrics: EdgeMetrics, own: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._offset = ClockOffset()
        self.own = own
        """Epoch seconds as this machine has them, for `learn`."""
        metrics.clock_offset.set(math.nan)

    def now(self) -> float:
        """Return epoch seconds."""
        return self.own() - (self._offset.seconds or 0.0)

    def learn(self, sent_s: float, acknowledged_s: float, appended_ms: int | None) -> None:
        """Take into account when the broker appended a record, by its clock; None: the topic does not say.

        `sent_s` and `acknowledged_s` are this machine's epoch seconds.
        """
        if appended_ms is None:
            return
        before_s = self._offset.seconds or 0.0
        offset_s = self._offset.learn(sent_s, acknowledged_s, appended_ms / 1000, resolution_s=0.001)
        if abs(offset_s - before_s) >= NOTABLE_S:
            _log.warning("clock_offset", seconds=round(offset_s, 3), before=round(before_s, 3))
        self._metrics.clock_offset.set(offset_s)
