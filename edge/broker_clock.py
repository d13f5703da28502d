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
    """The brokers' clock, carried on by this machine's monotonic clock between acknowledgements.

    So it stays right when a time service or a person steps the machine's clock. Until the first record is acknowledged,
    and where the topics keep the times of clients, it is the machine's clock. `own`: epoch seconds; `monotonic`:
    seconds since any moment.
    """

    def __init__(
        self,
        metrics: EdgeMetrics,
        own: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._offset = ClockOffset()
        self._own = own
        self._monotonic = monotonic
        self._began_s = own() - monotonic()
        self._logged_s = 0.0
        metrics.clock_offset.set(math.nan)

    def now(self) -> float:
        """Return epoch seconds."""
        return self._own() if self._offset.seconds is None else self.steady() - self._offset.seconds

    def steady(self) -> float:
        """Return epoch seconds as of the start, carried on by the monotonic clock: what `learn` takes."""
        return self._began_s + self._monotonic()

    def learn(self, sent_s: float, acknowledged_s: float, appended_ms: int | None) -> None:
        """Take into account when the broker appended a record, by its clock; None: the topic does not say.

        `sent_s` and `acknowledged_s` are readings of `steady`.
        """
        if appended_ms is None:
            return
        self._offset.learn(sent_s, acknowledged_s, appended_ms / 1000, resolution_s=0.001)
        offset_s = self._own() - self.now()
        if abs(offset_s - self._logged_s) >= NOTABLE_S:
            _log.warning("clock_offset", seconds=round(offset_s, 3), before=round(self._logged_s, 3))
            self._logged_s = offset_s
        self._metrics.clock_offset.set(offset_s)
