"""Folds one batch of records and returns everything to publish. No I/O: the caller sends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import ConfigurationError, IgnoredEvent, InvalidRecord
from bannerstream.contracts.inputs import Decoded, InputForm, PlainEvent, Several, Source, decode_events
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS
from bannerstream.streams.affinity import Catalogue, Policy, UserState, fold, quick_fold, settle
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.affinity.folding import FoldResult
from bannerstream.streams.errors import WrongKey

Disposition = Literal[FoldResult, "ignored", "dead_letter"]

Event = PlainEvent | Interaction | Exception


class InputRecord(Protocol):
    """One record as aiokafka parses it."""

    @property
    def offset(self) -> int:
        """Return the offset in its partition."""

    @property
    def timestamp(self) -> int:
        """Return when the broker received it or the producer sent it, by the topic's setting; epoch milliseconds."""

    @property
    def key(self) -> bytes | None:
        """Return the visitor's id."""

    @property
    def value(self) -> bytes | None:
        """Return the encoded event."""


@dataclass(frozen=True, slots=True)
class RecordPart:
    """One event of a record that holds several: the record's position and key, and a value that is this event alone."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    part: int
    """Counts from 1."""
    applied_to: set[bytes]
    """User keys whose states hold this offset because of an earlier part. All parts of a record share this set."""


class States(Protocol):
    """The states of one partition's visitors, by user key (`contracts.keys.UserKeys`)."""

    def get(self, key: bytes) -> UserState | None:
        """Return a visitor's state, or None for a new visitor. The caller may change it if it then calls `put`.

        Raises:
            UnknownStateVersion, BrokenState: see `streams.affinity.unpack`.
        """

    def put(self, key: bytes, state: UserState) -> None:
        """Store this state, which may be another object than `get` returned, and mark it for writing."""


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

    def __post_init__(self) -> None:
        """Create the cache of user keys, which batches share.

        Raises:
            ConfigurationError: the secret is too short or too long.
        """
        object.__setattr__(self, "user_keys", UserKeys(self.secret))


@dataclass(frozen=True, slots=True)
class CausedRequest:
    """A banner request and the decision that caused it; together they form the CloudEvents id."""

    request: BannerRequest
    cause: str


@dataclass(slots=True)
class BatchOutcome:
    """The results of a batch, besides states.

    The states of `changed` must be in the changelog before any of this is published, and all of it must be published
    before offsets are committed.
    """

    changed: set[bytes] = field(default_factory=set)
    """User keys of visitors whose decision changed."""
    assignments: dict[bytes, Assignment] = field(default_factory=dict)
    """By user key: the latest assignment of visitors whose decision changed or who were in a replay."""
    requests: dict[str, CausedRequest] = field(default_factory=dict)
    """By banner key."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    """User keys of visitors whose assignments are deleted."""
    counts: dict[Disposition, int] = field(default_factory=dict)
    """Number of events by disposition."""
    ahead_ms: int = 0
    """The largest lead of an event's time over its arrival. Such an event counts as of its arrival."""

    @property
    def urgent(self) -> set[bytes]:
        """Return the visitors whose states must be written before the rest is published.

        Not only those whose decision changed: a replay may announce a state that this batch changed before.
        """
        return self.changed.union(self.assignments)

    @property
    def has_effects(self) -> bool:
        """Return whether there is anything to publish."""
        return bool(self.assignments or self.dead_letters or self.forgotten)

    def add(self, later: "BatchOutcome") -> None:
        """Merge a later batch: keep only the latest assignment per visitor and one request per banner."""
        self.changed |= later.changed
        for key in later.forgotten:
            self.assignments.pop(key, None)
        self.assignments |= later.assignments
        for banner_key, request in later.requests.items():
            self.requests.setdefault(banner_key, request)
        self.dead_letters += later.dead_letters
        self.forgotten += later.forgotten


def fold_batch(  # noqa: PLR0917  (one caller, which passes source, position and rules in this order)
    source: Source,
    topic: str,
    partition: int,
    records: Sequence[InputRecord],
    states: States,
    catalogue: Catalogue,
    rules: Rules,
    now_ms: int,
) -> BatchOutcome:
    """Fold records of one partition, in order, into `states`, and return what to publish.

    No event stops another, not even of the same record: an unusable event becomes a dead letter and leaves its
    visitor's state unchanged. A replayed event changes nothing, but its visitor's current decision is announced again:
    the crash that caused the replay may have come before the first announcement. An event whose id is in its visitor's
    state is ignored.
    `now_ms` only dates requests and dead letters; no decision depends on it.

    Raises:
        UnknownStateVersion: another version wrote a stored state; no record is at fault.
    """
    batch = _BatchFold(source, topic, partition, states, catalogue, rules, now_ms)
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
    batch.take(records, events, times)
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
        states: States,
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
        self._policy = rules.policy
        self._user_keys = rules.user_keys
        self._draw = rules.draw
        self._quick = quick_fold(source, topic, catalogue, rules.policy, rules.draw)
        self._written: dict[bytes, UserState] = {}
        """States that were put."""
        self._to_announce: dict[bytes, int] = {}
        """User keys of visitors whose decision is announced, each with the timestamp of the record that caused it."""
        self._changed: set[bytes] = set()
        self._letters: list[DeadLetter] = []
        self._replayed = self._duplicates = self._ignored = 0

    def take(self, records: Sequence[InputRecord], events: Sequence[Event], times: Sequence[int]) -> None:
        """Fold events into their visitors' states, and decide.

        The common case runs in this loop on local names: attribute lookups and a call per event would take a third
        longer.

        Raises:
            UnknownStateVersion: see `fold_batch`.
        """
        topic, half_life, user_keys, quick = self._topic, self._policy.half_life_ms, self._user_keys, self._quick
        get, put, written = self._states.get, self._states.put, self._written
        changed, to_announce = self._changed, self._to_announce
        for record, event, event_ms in zip(records, events, times, strict=True):
            if isinstance(event, Exception):
                self._refuse(record, event)
                continue
            user_id = event.user_id
            if record.key != user_id.encode():
                self._refuse(record, _wrong_key(record, topic))
                continue
            key = user_keys[user_id]
            try:
                fresh = key not in written
                state = get(key) if fresh else written[key]
                if state is None:
                    state = UserState(half_life, event_ms, offsets={topic: -1})
                epoch = state.epoch
                if type(event) is not PlainEvent or not quick(state, event, event_ms, record.offset, key):
                    self._fold_alone(state, event, event_ms, record, key)
                    continue
            except ConfigurationError:  # a state of another version: every record of that visitor would fail
                raise
            except Exception as error:
                self._refuse(record, error)
                continue
            if state.epoch != epoch:
                changed.add(key)
                to_announce[key] = record.timestamp
            if fresh:
                written[key] = state
                put(key, state)

    def _fold_alone(
        self, state: UserState, event: PlainEvent | Interaction, event_ms: int, record: InputRecord, key: bytes
    ) -> None:
        """Fold by the specification into a copy, which replaces the state if anything has changed."""
        interaction = event.interaction(self._source, event_ms) if isinstance(event, PlainEvent) else event
        kept = state.copy()
        applied_to = record.applied_to if isinstance(record, RecordPart) else None
        if applied_to is not None and key in applied_to:
            kept.offsets[self._topic] = record.offset - 1  # not a replay: an earlier part of this record was applied
        effect = fold(
            kept,
            interaction,
            topic=self._topic,
            offset=record.offset,
            catalogue=self._catalogue,
            policy=self._policy,
        )
        if applied_to is not None and effect != "replayed":
            applied_to.add(key)
        if effect == "duplicate":
            self._duplicates += 1
            self._keep(key, kept)
            return
        # A replay decides, too: the catalogue may have changed since, and with it the key of the banner.
        decided = settle(kept, self._catalogue, self._policy, self._draw, key)
        if decided:
            self._changed.add(key)
        if effect == "replayed":
            self._replayed += 1
        if decided or effect == "replayed":
            self._to_announce[key] = record.timestamp
        if effect == "folded" or kept.decision is not state.decision:
            self._keep(key, kept)

    def _keep(self, key: bytes, state: UserState) -> None:
        self._written[key] = state
        self._states.put(key, state)

    def _refuse(self, record: InputRecord, error: Exception) -> None:
        if isinstance(error, IgnoredEvent):
            self._ignored += 1
        else:
            self._letters.append(letter_of(record, self._topic, self._partition, error, self._now_ms))

    def outcome(self, events: int) -> BatchOutcome:
        """Return the results of the batch, which has this many events."""
        outcome = BatchOutcome(changed=self._changed, dead_letters=self._letters)
        assignments, requests, banner_key = outcome.assignments, outcome.requests, self._catalogue.banner_key
        for key, appended_at in self._to_announce.items():
            state = self._written.get(key) or self._states.get(key)
            if state is None or (decision := state.decision) is None:
                continue
            product_id, cohort_id = decision.product_id, decision.cohort_id
            assignment = assignments[key] = Assignment(
                user_key=key.decode(),
                epoch=state.epoch,
                banner_key=banner_key(product_id, cohort_id, decision.variant),
                product_id=product_id,
                cohort_id=cohort_id,
                variant=decision.variant,
                decided_at=state.landmark_ms + decision.decided_ms,
            )
            if assignment.banner_key not in requests:
                requests[assignment.banner_key] = self._request(assignment, max(0, appended_at))
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

    def _request(self, assignment: Assignment, appended_at: int) -> CausedRequest:
        product = self._catalogue.products[assignment.product_id]
        request = BannerRequest(
            banner_key=assignment.banner_key,
            product=product,
            cohort=self._catalogue.cohorts[assignment.cohort_id],
            locale=product.locale,
            variant=assignment.variant,
            creative_revision=self._catalogue.creative_revision,
            requested_at=self._now_ms,
            event_appended_at=appended_at,
            favourites=self._catalogue.favourites(assignment.cohort_id),
        )
        return CausedRequest(request, f"{assignment.user_key}:{assignment.epoch}")


def _wrong_key(record: InputRecord, topic: str) -> WrongKey:
    found = "none" if record.key is None else repr(record.key.decode(errors="replace")[:80])
    return WrongKey(
        f"the Kafka key must be the visitor's id, so that all of a visitor's events share one partition; it is "
        f"{found}. Key {topic} by the visitor's id and send the event again; a replay would keep the wrong key"
    )


def letter_of(record: InputRecord, topic: str, partition: int, error: Exception, now_ms: int) -> DeadLetter:
    """Return the dead letter of a record that failed with `error`; `now_ms` in epoch milliseconds."""
    code, reason = "internal", f"{type(error).__name__}: {error}"
    if isinstance(error, InvalidRecord):
        code, reason = error.code, str(error)
    return DeadLetter.of(
        key=record.key,
        value=record.value,
        topic=topic,
        partition=partition,
        offset=record.offset,
        code=code,
        reason=reason,
        now=now_ms,
        part=record.part if isinstance(record, RecordPart) else None,
    )
