"""The connections to the store, which measure this machine's clock by the header `Date` of its answers."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from prometheus_client import Gauge

from bannerstream.service.clock_offset import ClockOffset


class DatedPool(urllib3.PoolManager):
    """urllib3's pool. `offset` gets the seconds by which this machine's clock is ahead of the store's."""

    def __init__(self, offset: Gauge, **options: Any) -> None:
        super().__init__(**options)
        self._gauge = offset
        self._offset = ClockOffset()

    def urlopen(  # type: ignore[override]  # as PoolManager's own
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; note the date of its answer."""
        asked_s = time.time()
        response = super().urlopen(method, url, redirect, **options)
        try:
            dated_s = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError, TypeError):  # a store without a clock (RFC 9110 §6.6.1), or no date
            return response
        self._gauge.set(self._offset.learn(asked_s, time.time(), dated_s, resolution_s=1.0))
        return response
