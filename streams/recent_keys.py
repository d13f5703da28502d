"""Recently requested banners: a bounded set that may lose entries, because requests are idempotent."""

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 200_000
"""About 40 MB. A shop of 20,000 products in 10 cohorts each fits completely."""


class RecentKeys:
    """Banner keys with expiry. Times are seconds of `clock`, monotonic by default."""

    def __init__(self, ttl_s: float, *, max_keys: int = MAX_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._max_keys = max_keys
        self._clock = clock
        self._expiries: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        """Return whether the key was added within the time to live."""
        return self._expiries.get(key, float("-inf")) > self._clock()

    def clear(self) -> None:
        """Remove every key."""
        self._expiries.clear()

    def add(self, key: str) -> None:
        """Add the key or renew its expiry."""
        now = self._clock()
        self._expiries[key] = now + self._ttl_s
        self._expiries.move_to_end(key)
        while self._expiries:
            oldest, expiry = next(iter(self._expiries.items()))
            if expiry > now and len(self._expiries) <= self._max_keys:
                return
            del self._expiries[oldest]
