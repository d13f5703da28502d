"""Where each partition stands: what was accepted, what is applied and may be committed. No I/O."""

from collections.abc import Iterable

from faust.types import TP

from bannerstream.streams.batching.records import Batch


class Positions:
    """Next offsets by partition. A partition that is not here is not ours, or its beginning is not known yet.

    Faust resumes partitions before it seeks them after a recovery, and its streams skip what arrives in a rebalance, so
    batches of another position can arrive. Taking one would lose what lies before it.
    """

    def __init__(self) -> None:
        self._applied: dict[TP, int] = {}
        self._accepted: dict[TP, int] = {}
        self._delivered: dict[TP, int] = {}

    def begin(self, offsets: dict[TP, int]) -> None:
        """Expect each partition at its offset, whatever was before."""
        for tp, offset in offsets.items():
            self._applied[tp] = self._accepted[tp] = offset
            self._delivered.pop(tp, None)

    def forget(self, tps: Iterable[TP]) -> None:
        """Expect nothing of these partitions any more."""
        for tp in tps:
            for offsets in (self._applied, self._accepted, self._delivered):
                offsets.pop(tp, None)

    def deliver(self, batch: Batch) -> None:
        """Note that a batch was handed over, whether or not it ever reaches `accept`."""
        self._delivered[batch.tp] = batch.end

    def next_offset(self, tp: TP) -> int | None:
        """Return the offset at which the next batch must begin, or None when none is wanted."""
        return self._accepted.get(tp)

    def accept(self, batch: Batch) -> Batch | None:
        """Return what of this batch continues what was accepted; None if that is nothing.

        Whoever accepts ends with `apply`, or with `forget`.
        """
        wanted = self._accepted.get(batch.tp)
        if wanted is None or not batch.begin <= wanted < batch.end:
            return None
        self._accepted[batch.tp] = batch.end
        return batch.after(wanted)

    def has_gap(self, batch: Batch) -> bool:
        """Tell whether a batch begins behind what is wanted: it must come again, after what it passed over."""
        wanted = self._accepted.get(batch.tp)
        return wanted is not None and batch.begin > wanted

    def apply(self, batch: Batch) -> None:
        """Say that a batch is folded and its urgent states acknowledged: after a flush, its end may be committed.

        It counts only where it joins what is applied. A batch that got lost on its way, in an agent that raised, is so
        never committed over.
        """
        applied = self._applied.get(batch.tp)
        if applied is not None and batch.begin <= applied:
            self._applied[batch.tp] = max(batch.end, applied)

    def committable(self, tp: TP) -> int | None:
        """Return the offset to commit: None where there is none, or nothing."""
        return self._applied.get(tp) or None

    def applied(self) -> dict[TP, int]:
        """Return what is applied of each partition."""
        return dict(self._applied)

    def undelivered(self) -> dict[TP, int]:
        """Return partitions of which batches were handed over that never came to `accept`, and where to read again.

        The next batch would show it, as it has_gap; but there may be none for long.
        """
        if self._accepted != self._applied:
            return {}  # something is under way: what was handed over is waiting behind it
        return {tp: accepted for tp, accepted in self._accepted.items() if self._delivered.get(tp, 0) > accepted}
