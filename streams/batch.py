"""Folds one batch of records and returns everything to publish. No I/O: the caller sends it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import ConfigurationError, IgnoredEvent
from bannerstream.contracts.inputs import Decoded, InputForm, PlainEvent, Several, Source, decode_events
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS
from bannerstream.streams.affinity import Catalogue, Policy, UserState, fold, settle
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.announcer import Announcement, Announcers
from bannerstream.streams.columnar import ColumnarStates
from bannerstream.streams.columnar.key_index import RowNumbers
from bannerstream.streams.columnar.rounds import SMALLEST_ROUND, Rounds
from bannerstream.streams.errors import WrongKey
from bannerstream.streams.event_columns import Event, Visitors, event_columns
from bannerstream.streams.input_records import InputRecord, RecordPart, letter_of
from bannerstream.streams.outcome import BatchOutcome, Disposition


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of folding, besides the catalogue."""

    policy: Policy
    secret: bytes = field(repr=False)
    """Key of the user-id hash. Not in the repr, which may end up in a log or traceback."""
    formats: dict[Source, InputForm]
    max_future_ms: int
    max_age_ms: int
    max_record_bytes: int = MAX_EVENT_BYTES
    max_products: int = MAX_EVENT_PRODUCTS
    draw: Draw = only_variant
    """Chooses the variant of each new decision."""
    user_keys: UserKeys = field(init=False, repr=False, compare=False)
    announcers: Announcers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Create the caches, which batches share.

        Raises:
            ConfigurationError: the secret is too short or too long.
        """
        object.__setattr__(self, "user_keys", UserKeys(self.secret))
        object.__setattr__(self, "announcers", Announcers())


def fold_batch(  # noqa: PLR0917  (one caller, which passes source, position and rules in this order)
    source: Source,
    topic: str,
    partition: int,
    records: Sequence[InputRecord],
    states: ColumnarStates,
    catalogue: Catalogue,
    rules: Rules,
    now_ms: int,
    *,
    smallest_round: int = SMALLEST_ROUND,
) -> BatchOutcome:
    """Fold records of one partition, in order, into `states`, and return what to publish.

    No event stops another, not even of the same record: an unusable event becomes a dead letter and leaves its
    visitor's state unchanged. A replayed event changes nothing, but its visitor's current decision is announced again:
    the crash that caused the replay may have come before the first announcement. An event whose id is in its visitor's
    state is ignored.
    `now_ms` only dates requests and dead letters; no decision depends on it. Rounds of fewer events than
    `smallest_round` are folded by the pure core (`streams.columnar.rounds`); the results are the same.

    Raises:
        UnknownStateVersion: another version wrote a stored state; no record is at fault.
    """
    events: Sequence[Event]
    decoded, times, ahead_ms = decode_events(
        [record.value for record in records],
        [record.timestamp for record in records],
        source,
        rules.formats[source],
        max_future_ms=rules.max_future_ms,
        max_age_ms=rules.max_age_ms,
        max_record_bytes=rules.max_record_bytes,
        max_products=rules.max_products,
    )
    if Several in set(map(type, decoded)):
        records, events, times = _taken_apart(records, decoded, times)
    else:
        events = decoded  # type: ignore[assignment]  # none is `Several`
    states.cover(catalogue, topic)
    batch = _BatchFold(source, topic, partition, states, catalogue, rules, now_ms)
    batch.take(records, events, times, smallest_round)
    outcome = batch.outcome(len(records))
    outcome.ahead_ms = ahead_ms
    return outcome


def _taken_apart(
    records: Sequence[InputRecord], events: Sequence[Decoded], times: Sequence[int]
) -> tuple[list[InputRecord], list[Event], list[int]]:
    """Return the same with each event of a record on its own, in order."""
    alone: list[tuple[InputRecord, Event, int]] = []
    for record, event, event_ms in zip(records, events, times, strict=True):
        if not isinstance(event, Several):
            alone.append((record, event, event_ms))
            continue
        applied_to: set[bytes] = set()
        for number, part in enumerate(event.parts, start=1):
            carrier = RecordPart(record.offset, record.timestamp, record.key, part.value, number, applied_to)
            alone.append((carrier, part.event, part.event.occurred_at if isinstance(part.event, Interaction) else 0))
    return [each[0] for each in alone], [each[1] for each in alone], [each[2] for each in alone]


class _BatchFold:
    """A batch while it is folded."""

    def __init__(  # noqa: PLR0917  (as `fold_batch`)
        self,
        source: Source,
        topic: str,
        partition: int,
        states: ColumnarStates,
        catalogue: Catalogue,
        rules: Rules,
        now_ms: int,
    ) -> None:
        self._source: Source = source
        self._topic = topic
        self._partition = partition
        self._now_ms = now_ms
        self._states = states
        self._catalogue = catalogue
        self._rules = rules
        self._records: Sequence[InputRecord] = ()
        self._events: Sequence[Event] = ()
        self._times: Sequence[int] = ()
        self._visitors = Visitors([], rules.user_keys)
        self._rows: RowNumbers = np.zeros(0, np.int32)
        """The row number of each visitor; -1 for those without a row."""
        self._alone: dict[int, UserState | Exception | None] = {}
        """States of the visitors whose events the pure core folds, by their index: as they are now."""
        self._put: set[int] = set()
        """Those among them that have changed."""
        self._announced: list[tuple[int, int]] = []
        """Events that lead to an announcement, each with its visitor; neither is in order yet."""
        self._changed: set[int] = set()
        self._letters: list[tuple[int, DeadLetter]] = []
        self._replayed = self._duplicates = self._ignored = 0

    def take(
        self, records: Sequence[InputRecord], events: Sequence[Event], times: Sequence[int], smallest_round: int
    ) -> None:
        """Fold events into their visitors' states, and decide.

        Raises:
            UnknownStateVersion: see `fold_batch`.
        """
        self._records, self._events, self._times = records, events, times
        usable = self._usable(records, events)
        if len(usable) < len(events):
            records = [records[index] for index in usable]
            events = [events[index] for index in usable]
            times = [times[index] for index in usable]
        states, policy = self._states, self._rules.policy
        shop = states.shop(self._catalogue)
        visitors = self._visitors = Visitors([event.user_id for event in events], self._rules.user_keys)  # type: ignore[union-attr]
        columns = event_columns(self._source, self._topic, shop, visitors.index, records, events, times)
        rows = states.find(visitors.keys)
        unknown = np.flatnonzero(rows < 0)
        loaded = states.load([visitors.hex_keys[visitor] for visitor in unknown.tolist()])
        closed = np.zeros(len(rows), np.bool_)
        if loaded:
            rows = states.find(visitors.keys)
            for visitor in unknown.tolist():
                closed[visitor] = rows[visitor] < 0 and visitors.hex_keys[visitor] in loaded
        rounds = Rounds(
            states, shop, policy, self._topic, self._rules.draw, visitors.keys, visitors.hex_keys, rows, closed,
            smallest_round,
        )  # fmt: skip
        folded = rounds.fold(columns)
        self._duplicates += folded.duplicates
        changed = visitors.index[folded.changed].tolist()
        self._changed.update(changed)
        self._announced += zip([usable[index] for index in folded.changed.tolist()], changed, strict=True)
        self._rows = rounds.rows
        if len(folded.left):
            self._fold_left([usable[index] for index in folded.left.tolist()], visitors.index[folded.left], loaded)

    def _usable(self, records: Sequence[InputRecord], events: Sequence[Event]) -> Sequence[int]:
        """Return the indexes of the events to fold; refuse the others."""
        keys = [record.key for record in records]
        if all(map(_is_event, set(map(type, events)))) and keys == [event.user_id.encode() for event in events]:  # type: ignore[union-attr]
            return range(len(events))
        usable = []
        for index, (record, event) in enumerate(zip(records, events, strict=True)):
            if isinstance(event, Exception):
                self._refuse(index, event)
            elif record.key != event.user_id.encode():
                self._refuse(index, _wrong_key(record, self._topic))
            else:
                usable.append(index)
        return usable

    def _fold_left(
        self,
        left: Sequence[int],
        visitor_of: npt.NDArray[np.int64],
        loaded: Mapping[bytes, UserState | Exception],
    ) -> None:
        """Fold by the pure core what the rounds left: each visitor's state is read once, and stored once."""
        states, hex_keys = self._states, self._visitors.hex_keys
        alone = np.unique(visitor_of)
        rows = self._rows[alone]
        self._alone = dict(zip(alone[rows >= 0].tolist(), states.states_in(rows[rows >= 0]), strict=True))
        for visitor in alone[rows < 0].tolist():
            self._alone[visitor] = loaded.get(hex_keys[visitor])
        for index, visitor in zip(left, visitor_of.tolist(), strict=True):
            state = self._alone[visitor]
            try:
                if isinstance(state, Exception):
                    raise state  # noqa: TRY301  (a letter for each of its events)
                self._fold_alone(index, visitor, state)
            except ConfigurationError:  # a state of another version: every record of that visitor would fail
                raise
            except Exception as error:
                self._refuse(index, error)
        put = list(self._put)
        states.put_all([hex_keys[visitor] for visitor in put], [self._alone[visitor] for visitor in put])  # type: ignore[misc]

    def _fold_alone(self, index: int, visitor: int, state: UserState | None) -> None:
        """Fold one event into a copy, which replaces the state if anything has changed."""
        topic, policy, key = self._topic, self._rules.policy, self._visitors.hex_keys[visitor]
        event, event_ms, record = self._events[index], self._times[index], self._records[index]
        interaction = event.interaction(self._source, event_ms) if isinstance(event, PlainEvent) else event
        assert isinstance(interaction, Interaction)  # exceptions were refused
        kept = UserState(policy.half_life_ms, event_ms, offsets={topic: -1}) if state is None else state.copy()
        applied_to = record.applied_to if isinstance(record, RecordPart) else None
        if applied_to is not None and key in applied_to:
            kept.offsets[topic] = record.offset - 1  # not a replay: an earlier part of this record was applied
        effect = fold(
            kept, interaction, topic=topic, offset=record.offset, catalogue=self._catalogue, policy=policy
        )  # fmt: skip
        if applied_to is not None and effect != "replayed":
            applied_to.add(key)
        if effect == "duplicate":
            self._duplicates += 1
            self._keep(visitor, kept)
            return
        # A replay decides, too: the catalogue may have changed since, and with it the key of the banner.
        decided = settle(kept, self._catalogue, policy, self._rules.draw, key)
        if decided:
            self._changed.add(visitor)
        if effect == "replayed":
            self._replayed += 1
        if decided or effect == "replayed":
            self._announced.append((index, visitor))
        if effect == "folded" or state is None or kept.decision is not state.decision:
            self._keep(visitor, kept)

    def _keep(self, visitor: int, state: UserState) -> None:
        self._alone[visitor] = state
        self._put.add(visitor)

    def _refuse(self, index: int, error: Exception) -> None:
        if isinstance(error, IgnoredEvent):
            self._ignored += 1
        else:
            letter = letter_of(self._records[index], self._topic, self._partition, error, self._now_ms)
            self._letters.append((index, letter))

    def outcome(self, events: int) -> BatchOutcome:
        """Return the results of the batch, which has this many events."""
        hex_keys = self._visitors.hex_keys
        outcome = BatchOutcome(changed={hex_keys[visitor] for visitor in self._changed})
        outcome.dead_letters = [letter for _, letter in sorted(self._letters, key=itemgetter(0))]
        self._rules.announcers.of(self._catalogue).announce(self._announcements(), outcome, self._now_ms)
        not_folded = self._replayed + self._duplicates + self._ignored + len(self._letters)
        counts: dict[Disposition, int] = {
            "folded": events - not_folded,
            "replayed": self._replayed,
            "duplicate": self._duplicates,
            "ignored": self._ignored,
            "dead_letter": len(self._letters),
        }
        outcome.counts = {fate: count for fate, count in counts.items() if count}
        return outcome

    def _announcements(self) -> Iterator[Announcement]:
        """Yield the current decisions of announced visitors, in the order of their first event that led to it."""
        last_event: dict[int, int] = {visitor: index for index, visitor in sorted(self._announced)}
        in_rows = [visitor for visitor in last_event if visitor not in self._alone]
        decisions = dict(zip(in_rows, self._states.decisions_in(self._rows[in_rows]), strict=True)) if in_rows else {}
        for visitor, index in last_event.items():
            found = decisions.get(visitor)
            if found is None:
                state = self._alone[visitor]
                if not isinstance(state, UserState) or (decision := state.decision) is None:
                    continue
                banner = decision.product_id, decision.cohort_id, decision.variant
                found = state.epoch, banner, state.landmark_ms + decision.decided_ms
            yield self._visitors.hex_keys[visitor], *found, self._records[index].timestamp


def _is_event(kind: type) -> bool:
    return not issubclass(kind, Exception)


def _wrong_key(record: InputRecord, topic: str) -> WrongKey:
    found = "none" if record.key is None else repr(record.key.decode(errors="replace")[:80])
    return WrongKey(
        f"the Kafka key must be the visitor's id, so that all of a visitor's events share one partition; it is "
        f"{found}. Key {topic} by the visitor's id and send the event again; a replay would keep the wrong key"
    )
