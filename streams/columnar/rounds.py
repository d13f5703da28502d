"""Folds a batch in rounds: round k takes the k-th event of each visitor, so every row occurs once in it.

A round is some sixty array operations, for any number of visitors. It takes an event only if it can prove that the pure
core would do the same: see `_Round`. From the first event that it cannot take, all of that visitor's events in the
batch are left to the pure core, in order.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bannerstream.streams.affinity import Policy
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.affinity.scores import MAX_HALVINGS
from bannerstream.streams.affinity.state import ONLY_VARIANT
from bannerstream.streams.columnar.key_index import Keys, RowNumbers
from bannerstream.streams.columnar.layout import NO_PRODUCT
from bannerstream.streams.columnar.rows import Rows, new_rows, set_times, store, times_in
from bannerstream.streams.columnar.shop_columns import UNKNOWN, ShopColumns
from bannerstream.streams.columnar.states import ColumnarStates

SMALLEST_ROUND = 24
"""Events below which the pure core folds a batch. Estimated: where both cost the same was not measured."""

_TIME_LIMIT = 1 << 39

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The events of a batch, in order. Shapes (n,)."""

    visitor: Integers
    """An index into the visitors of the batch."""
    place: Integers
    """The product's place in `ShopColumns`, or `UNKNOWN` for an event that only the pure core takes."""
    weight: npt.NDArray[np.float64]
    occurred_at: Integers
    """Epoch milliseconds."""
    mark: npt.NDArray[np.uint64]
    """The event id's fingerprint."""
    offset: Integers

    def __len__(self) -> int:
        return len(self.visitor)

    def take(self, chosen: Any) -> "EventColumns":
        """Return these events, in this order."""
        return EventColumns(
            self.visitor[chosen],
            self.place[chosen],
            self.weight[chosen],
            self.occurred_at[chosen],
            self.mark[chosen],
            self.offset[chosen],
        )


@dataclass(slots=True)
class RoundsOutcome:
    """What the rounds did, and what they left."""

    left: Integers
    """Indexes of events for the pure core, ascending."""
    changed: Integers
    """Indexes of events that changed a decision, ascending."""
    duplicates: int = 0


@dataclass(slots=True)
class Rounds:
    """Folds the events of one batch into `states`; `rows` are the visitors' row numbers, -1 for a new one.

    `rows` is updated as visitors get rows. `closed` marks visitors whose state is not a row, for the pure core.
    """

    states: ColumnarStates
    shop: ShopColumns
    policy: Policy
    topic: str
    draw: Draw
    keys: Keys
    hex_keys: list[bytes]
    rows: RowNumbers
    closed: Booleans
    smallest_round: int = SMALLEST_ROUND
    _changed: list[Integers] = field(default_factory=list)
    _duplicates: int = 0

    def fold(self, events: EventColumns) -> RoundsOutcome:
        """Fold what is common, and return what is left."""
        order = np.argsort(events.visitor, kind="stable")
        visitors = events.visitor[order]
        index = np.arange(len(order))
        first = np.concatenate([[True], visitors[1:] != visitors[:-1]]) if len(order) else np.zeros(0, np.bool_)
        turn = index - np.maximum.accumulate(np.where(first, index, 0)) if len(order) else index
        sizes = np.bincount(turn)
        by_turn = order[np.argsort(turn, kind="stable")]
        left_at = np.full(len(self.rows), len(sizes))
        left_at[self.closed] = 0
        start = 0
        for number, size in enumerate(sizes.tolist()):
            if size < self.smallest_round:
                left_at = np.minimum(left_at, number)
                break
            chosen = by_turn[start : start + size]
            start += size
            self._fold_round(number, chosen, events, left_at)
        is_left = np.zeros(len(events), np.bool_)
        is_left[order] = turn >= left_at[visitors]
        changed = np.sort(np.concatenate(self._changed)) if self._changed else np.zeros(0, np.int64)
        return RoundsOutcome(np.flatnonzero(is_left), changed, self._duplicates)

    def _fold_round(self, number: int, chosen: Integers, events: EventColumns, left_at: Integers) -> None:
        visitors = events.visitor[chosen]
        usable = (left_at[visitors] > number) & (events.place[chosen] != UNKNOWN)
        left_at[visitors[~usable]] = np.minimum(left_at[visitors[~usable]], number)
        chosen = chosen[usable]
        if not len(chosen):
            return
        event = events.take(chosen)
        rows = self.rows[event.visitor]
        new = rows < 0
        values: Rows
        if new.any():
            values = new_rows(self.states.columns, len(chosen))
            store(values, np.flatnonzero(~new), self.states.rows.take(rows[~new]))
            values["key"][new] = self.keys[event.visitor[new]]
            values["landmark"][new] = event.occurred_at[new]
            values["half_life"] = np.where(
                new, self.states.columns.half_life_numbers.get(self.policy.half_life_ms, 0), values["half_life"]
            )
        else:
            values = self.states.rows.take(rows)
        taken = _Round(self, event, values)
        taken.fold()
        folded = taken.folded
        left = event.visitor[~folded]
        left_at[left] = np.minimum(left_at[left], number)
        self._duplicates += taken.duplicates
        if len(taken.changed):
            self._changed.append(chosen[taken.changed])
        old, fresh = np.flatnonzero(folded & ~new), np.flatnonzero(folded & new)
        store(self.states.rows, rows[old], values.take(old))
        self.states.touch(rows[old])
        if len(fresh):
            self.rows[event.visitor[fresh]] = self.states.insert(values.take(fresh))


class _Round:
    """One event of each of several visitors, and their rows, which `fold` changes where it can take the event.

    It takes an event of one product that the catalogue and the shape know, whose kind is not a purchase, that comes
    after the visitor's last touch in time, was not applied before, lies within the landmark's range, lets no purchase
    expire, and whose decision, if one is due, falls on a product that the visitor touched in the strongest cohort.
    """

    def __init__(self, batch: Rounds, event: EventColumns, rows: Rows) -> None:
        self._batch = batch
        self._columns = batch.states.columns
        self._shop = batch.shop
        self._policy = batch.policy
        self._event = event
        self._rows = rows
        self._slots = min(batch.policy.products_per_user, self._columns.shape.touched)
        self.folded: Booleans = np.zeros(len(event), np.bool_)
        self.changed: Integers = np.zeros(0, np.int64)
        self.duplicates = 0

    def fold(self) -> None:
        """Fold and decide; see `folded` (which events were taken), `changed` (indexes) and `duplicates`."""
        event, rows, policy = self._event, self._rows, self._policy
        topic = self._columns.topic_numbers[self._batch.topic]
        half_life = self._columns.half_life_numbers.get(policy.half_life_ms, -1)
        since = event.occurred_at - rows["landmark"]
        limit = min(MAX_HALVINGS * policy.half_life_ms, _TIME_LIMIT - 1)
        offsets = rows["offsets"][:, topic]
        usable = (
            (rows["landmark"] != 0) & (rows["half_life"] == half_life) & (event.offset > offsets)
            & (since >= 0) & (since <= limit)
        )  # fmt: skip
        if policy.duplicate_window:
            usable &= event.mark != 0
            repeated = usable & (rows["marks"] == event.mark[:, None]).any(1)
            if repeated.any():
                rows["offsets"][repeated, topic] = event.offset[repeated]
                self.folded |= repeated
                self.duplicates = int(np.count_nonzero(repeated))
                usable &= ~repeated
            if policy.duplicate_window > self._columns.shape.marks:
                usable &= rows["marks"][:, -1] == 0
        before = times_in(rows, "seen")
        seen = np.maximum(before, since)
        touched = rows["touched"]
        number = self._shop.numbers[event.place]
        last_touch = (rows["touched_high"][:, 0].astype(np.int64) << 32) | rows["touched_low"][:, 0]
        usable &= (touched[:, 0] == NO_PRODUCT) | (last_touch < since) | (
            (last_touch == since) & (touched[:, 0] == number)
        )  # fmt: skip
        if policy.products_per_user > self._columns.shape.touched:
            usable &= touched[:, -1] == NO_PRODUCT
        bought = rows["bought"]
        buyers = bought[:, 0] != NO_PRODUCT
        if buyers.any():
            usable[buyers] &= ~(
                (bought[buyers] != NO_PRODUCT)
                & (times_in(rows.take(np.flatnonzero(buyers)), "bought") <= seen[buyers, None])
            ).any(1)
        # No score underflows to 0, which stands for none: weights are 1 at least, and grow with time.
        unit = event.weight * np.exp2(np.where(usable, since, 0) / policy.half_life_ms)
        scores = rows["scores"] + self._shop.shares[event.place] * unit[:, None]
        if scores.shape[1] > policy.max_cohorts:
            usable &= np.count_nonzero(scores, axis=1) <= policy.max_cohorts
        self._decide(usable, scores, seen)
        take = np.flatnonzero(usable)
        if len(take):
            self._store(take, scores, seen, since, number, topic)
        self.folded |= usable

    def _store(  # noqa: PLR0917  (columns of the round)
        self, take: Integers, scores: npt.NDArray[np.float64], seen: Integers, since: Integers,
        number: npt.NDArray[np.uint32], topic: int,
    ) -> None:  # fmt: skip
        event = self._event
        every = len(take) == len(self._rows)
        rows = self._rows if every else self._rows.take(take)
        rows["scores"] = scores[take]
        set_times(rows, "seen", seen[take])
        rows["offsets"][:, topic] = event.offset[take]
        marks, window = rows["marks"], min(self._policy.duplicate_window, self._columns.shape.marks)
        if window:
            marks[:, 1:window] = marks[:, : window - 1].copy()
            marks[:, 0] = event.mark[take]
        marks[:, window:] = 0
        _move_to_front(rows, number[take], since[take], self._slots)
        if not every:
            store(self._rows, take, rows)

    def _decide(self, usable: Booleans, scores: npt.NDArray[np.float64], seen: Integers) -> None:
        """Store the decisions of usable events; an event whose decision is not common becomes unusable."""
        rows, shop, policy = self._rows, self._shop, self._policy
        decided = rows["product"] != NO_PRODUCT
        valid = decided.copy()
        if decided.any():
            which = np.flatnonzero(decided)
            usable[which] &= shop.are_current(rows["fingerprint"][which])
            valid[which] = ~(rows["bought"][which] == rows["product"][which, None]).any(1)
        due = np.flatnonzero(usable & ~(valid & (seen - times_in(rows, "decided") < policy.min_interval_ms)))
        if not len(due):
            return
        scores = scores[due]
        each = np.arange(len(due))
        holds = valid[due]
        holder = rows["cohort"][due].astype(np.int64)
        best = scores.argmax(1)
        strongest = scores[each, best]
        wish = np.where(holds & (strongest < scores[each, holder] * (1 + policy.margin)), holder, best)
        fits = strongest > 0
        product, place = self._showable(due, wish, fits)
        usable[due[~fits]] = False
        new = fits & (~holds | (product != rows["product"][due]) | (wish != holder))
        self._announce(due[new], place[new], wish[new], seen, usable)

    def _showable(self, due: Integers, wish: Integers, fits: Booleans) -> tuple[npt.NDArray[np.uint32], Integers]:
        """Return the last touched product, and its place, that may be shown to the cohort; unset `fits` without one."""
        rows, shop = self._rows, self._shop
        place = self._event.place[due].copy()
        product = shop.numbers[place]
        bought = rows["bought"][due]
        direct = shop.offered[place, wish] & ~(bought == product[:, None]).any(1)
        search = np.flatnonzero(~direct)
        if len(search):
            candidates = rows["touched"][due[search], : self._slots]
            places = shop.places_of(candidates)
            may = (places != UNKNOWN) & shop.offered[places, wish[search, None]]
            may &= candidates != product[search, None]
            may &= ~(candidates[:, :, None] == bought[search][:, None, :]).any(2)
            first = may.argmax(1)
            index = np.arange(len(search))
            found = may[index, first]
            # This event evicts the oldest one, unless its product was touched before.
            found &= (candidates == product[search, None]).any(1) | (first < self._slots - 1)
            product[search] = candidates[index, first]
            place[search] = places[index, first]
            fits[search] &= found
        return product, place

    def _announce(self, rows: Integers, places: Integers, cohorts: Integers, seen: Integers, usable: Booleans) -> None:
        """Store new decisions. One whose banner cannot be named is left to the pure core, which says why."""
        batch, shop, columns = self._batch, self._shop, self._columns
        draw, values = batch.draw, self._rows
        if not len(rows):
            return
        count = len(rows)
        fingerprints = np.zeros(count, np.uint64)
        variants = np.zeros(count, np.uint8)
        named = np.ones(count, np.bool_)
        epochs = values["epoch"][rows].tolist()
        visitors = self._event.visitor[rows].tolist()
        only = columns.variant_numbers.get(ONLY_VARIANT, -1) if draw is only_variant else -1
        for index, (place, cohort) in enumerate(zip(places.tolist(), cohorts.tolist(), strict=True)):
            try:
                if only >= 0:
                    number, variant = only, ONLY_VARIANT
                else:
                    variant = draw(
                        shop.ids[place],
                        columns.shape.cohorts[cohort],
                        batch.hex_keys[visitors[index]],
                        epochs[index] + 1,
                    )
                    number = columns.variant_numbers[variant]
                fingerprints[index] = shop.fingerprint(place, cohort, variant)
                variants[index] = number
            except Exception:
                named[index] = False
        if not named.all():
            usable[rows[~named]] = False
            rows, places, cohorts = rows[named], places[named], cohorts[named]
            fingerprints, variants = fingerprints[named], variants[named]
        values["product"][rows] = shop.numbers[places]
        values["cohort"][rows] = cohorts
        values["fingerprint"][rows] = fingerprints
        values["variant"][rows] = variants
        values["epoch"][rows] += 1
        values["decided_low"][rows] = seen[rows] & 0xFFFFFFFF
        values["decided_high"][rows] = seen[rows] >> 32
        self.changed = rows


def _move_to_front(rows: Rows, number: npt.NDArray[np.uint32], since: Integers, slots: int) -> None:
    """Put the touched product first, from its place or instead of the oldest of `slots`."""
    touched, low, high = rows["touched"], rows["touched_low"], rows["touched_high"]
    hit = touched[:, :slots] == number[:, None]
    place = np.where(hit.any(1), hit.argmax(1), slots - 1)
    moved = np.arange(1, slots) <= place[:, None]
    for column, first in ((touched, number), (low, since & 0xFFFFFFFF), (high, since >> 32)):
        column[:, 1:slots] = np.where(moved, column[:, : slots - 1], column[:, 1:slots])
        column[:, 0] = first
        column[:, slots:] = 0
