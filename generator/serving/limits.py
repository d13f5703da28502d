"""Learns from batches that ran out of memory how many pictures of a kind fit. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass

TRY_MORE_AFTER = 64
"""Batches at the limit before one more picture is tried: another process may have released memory, and one batch in 64
that fails and is painted again in halves costs about 2 %."""


@dataclass(slots=True)
class _Limit:
    pictures: int
    fits: int = 0
    """The largest batch that has fit since."""
    held: int = 0


class BatchLimits:
    """The largest batch of each kind (shape and adapter): `most` until memory runs out, then what has fit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limits: dict[Hashable, _Limit] = {}

    def max_size(self, kind: Hashable) -> int:
        """Return how many pictures of a kind may be painted together."""
        limit = self._limits.get(kind)
        return self._most if limit is None else limit.pictures

    def ran_out(self, kind: Hashable, pictures: int) -> None:
        """Learn that a batch did not fit: the limit becomes the largest size known to fit, or half the batch."""
        limit = self._limits.get(kind)
        fits = limit.fits if limit is not None and limit.fits < pictures else 0
        self._limits[kind] = _Limit(max(1, fits, pictures // 2), fits)

    def fitted(self, kind: Hashable, pictures: int) -> None:
        """Learn that a batch fit; after many batches at the limit, allow one more picture."""
        limit = self._limits.get(kind)
        if limit is None:
            return
        limit.fits = max(limit.fits, pictures)
        if pictures < limit.pictures:
            return
        limit.held += 1
        if limit.held >= TRY_MORE_AFTER and limit.pictures < self._most:
            self._limits[kind] = _Limit(limit.pictures + 1, limit.fits)
