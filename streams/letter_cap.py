"""Caps the dead letters that one visitor causes: a stranger with a valid token must not fill the topic."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.service.rate_limit import RateLimit
from bannerstream.streams.errors import WrongKey
from bannerstream.streams.metrics import StreamsMetrics

_log = structlog.stdlib.get_logger(__name__)

_HOUR_S = 3600


class LetterCap:
    """Drops letters beyond `per_hour` of one record key, which is the visitor's id, and counts them.

    A letter without a key, or with the code `wrong_key`, is never dropped: the shop's producer is at fault, not a
    visitor. The records of dropped letters stay in their topic for as long as it keeps them. Nothing depends on what a
    restart forgets.
    """

    def __init__(self, per_hour: int, metrics: StreamsMetrics, *, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = RateLimit(per_hour / _HOUR_S, per_hour, now=now)
        self._metrics = metrics

    def kept(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Return the letters to publish, in order."""
        kept: list[DeadLetter] = []
        dropped: list[DeadLetter] = []
        for letter in letters:
            (kept if self._admits(letter) else dropped).append(letter)
        if dropped:
            self._report(dropped)
        return kept

    def _admits(self, letter: DeadLetter) -> bool:
        if letter.key is None or letter.code == WrongKey.code:
            return True
        # Its hash: keys are ids of visitors, which must not stay here after an erasure, and may be long.
        return not self._rate.wait_s(hash(letter.key))

    def _report(self, dropped: list[DeadLetter]) -> None:
        for code, count in Counter(letter.code for letter in dropped).items():
            self._metrics.letters_dropped.labels(code).inc(count)
        first = dropped[0]
        _log.warning(
            "dead_letters_dropped",
            count=len(dropped),
            code=first.code,
            topic=first.topic,
            partition=first.partition,
            offset=first.offset,
        )
