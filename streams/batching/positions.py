"""The position in each partition: accepted, applied, and committable offsets. No I/O."""

from collections.abc import Iterable

from faust.types import TP

from bannerstream.streams.batching.records import Batch


class Positions:
    """Next offsets by partition. A missing partition is not assigned, or its start offset is not known yet.

    Faust resumes partitions before it seeks them after a recovery, and its streams skip messages during a rebalance, so
    batches from another position can arrive. Accepting one would lose the records before it.
    """

    def __init__(self) -> None:
        self._applied: dict[TP, int] = {}
        self._accepted: dict[TP, int] = {}
        self._delivered: dict[TP, int] = {}

    def begin(self, offsets: dict[TP, int]) -> None:
        """Expect each partition at this offset and discard its earlier position."""
        for tp, offset in offsets.items():
            self._applied[tp] = self._accepted[tp] = offset
            self._delivered.pop(tp, None)

    def forget(self, tps: Iterable[TP]) -> None:
        """Stop expecting batches of these partitions."""
        for tp in tps:
            for offsets in (self._applied, self._accepted, self._delivered):
                offsets.pop(tp, None)

    def deliver(self, batch: Batch) -> None:
        """Note that a batch was handed to Faust; it may never reach `accept`."""
        self._delivered[batch.tp] = batch.end

    def next_offset(self, tp: TP) -> int | None:
        """Return the offset at which the next batch must begin, or None for an unknown partition."""
        return self._accepted.get(tp)

    def accept(self, batch: Batch) -> Batch | None:
        """Return the part of this batch that continues the accepted records, or None if there is none.

        The caller must call `apply` for it, or `forget`.
        """
        expected = self._accepted.get(batch.tp)
        if expected is None or not batch.begin <= expected < batch.end:
            return None
        self._accepted[batch.tp] = batch.end
        return batch.after(expected)

    def has_gap(self, batch: Batch) -> bool:
        """Return whether records are missing before this batch: they, and it, must be fetched again."""
        expected = self._accepted.get(batch.tp)
        return expected is not None and batch.begin > expected

    def apply(self, batch: Batch) -> None:
        """Mark a batch as folded, with its urgent states acknowledged: after a flush its end may be committed.

        Ignored unless it continues the applied records, so a batch lost on its way (an agent raised) is never committed
        over.
        """
        applied = self._applied.get(batch.tp)
        if applied is not None and batch.begin <= applied:
            self._applied[batch.tp] = max(batch.end, applied)

    def covered(self, partition: int, batches: Iterable[Batch]) -> dict[TP, int]:
        """Return the offsets of a partition number's topics as they will be once these batches are applied."""
        offsets = {tp: applied for tp, applied in self._applied.items() if tp.partition == partition}
        for batch in batches:
            applied = offsets.get(batch.tp)
            if applied is not None and batch.begin <= applied:
                offsets[batch.tp] = max(batch.end, applied)
        return offsets

    def committable(self, tp: TP) -> int | None:
        """Return the offset to commit, or None if there is nothing to commit."""
        return self._applied.get(tp) or None

    def applied(self) -> dict[TP, int]:
        """Return the applied offset of each partition."""
        return dict(self._applied)

    def undelivered(self) -> dict[TP, int]:
        """Return partitions with batches handed to Faust that never reached `accept`, and the offset to fetch again.

        The next batch would reveal the gap, but it may not arrive for a long time.
        """
        if self._accepted != self._applied:
            return {}  # batches are in flight; the others wait behind them
        return {tp: accepted for tp, accepted in self._accepted.items() if self._delivered.get(tp, 0) > accepted}
