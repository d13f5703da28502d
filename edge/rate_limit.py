"""Rate limits: a token bucket for each token and each address, in bounded memory."""

import ipaddress
import time
from collections.abc import Callable

REMEMBERED = 50_000
"""Buckets remembered, twice: about 12 MB. Who was forgotten begins with a full bucket: forgetting can only favour."""


class RateLimit:
    """At most `burst` at once and `per_s` a second in the long run, of each key.

    A bucket is one number, the time at which it is full again (GCRA, ITU-T I.371): taking from it costs 0.3 µs.
    """

    def __init__(self, per_s: float, burst: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_s
        self._tolerance = burst / per_s
        self._now = now
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def wait_s(self, key: str, cost: float = 1.0) -> float:
        """Take `cost` from the bucket of `key` and return 0; or take nothing and return how long to wait for it."""
        now = self._now()
        full_at = self._young.get(key) or self._old.get(key, now)
        full_at = max(full_at, now) + cost * self._interval
        if (wait := full_at - now - self._tolerance) > 0:
            return wait
        if len(self._young) >= REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[key] = full_at
        return 0.0


def address_of(host: str) -> str:
    """Return what an address is counted by: itself, or of an IPv6 address its /64, which one subscriber has whole."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
