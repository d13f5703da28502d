"""One batch of records in, everything that follows from it out: no I/O, so that the caller is left with sending."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.errors import ConfigurationError, IgnoredEvent, InvalidRecord
from bannerstream.contracts.inputs import Decoded, InputForm, PlainEvent, Source, decode_events
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.streams.affinity import Catalogue, Policy, UserState, fold, quick_fold, settle
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.affinity.folding import FoldResult
from bannerstream.streams.errors import WrongKey

Disposition = Literal[FoldResult, "ignored", "dead_letter"]


class InputRecord(Protocol):
    """One record as aiokafka parses it."""

    @property
    def offset(self) -> int:
        """Where it lies in its partition."""

    @property
    def timestamp(self) -> int:
        """Epoch milliseconds: when the broker took it, or when the producer says it sent it."""

    @property
    def key(self) -> bytes | None:
        """The visitor's id."""

    @property
    def value(self) -> bytes | None:
        """The event."""


class States(Protocol):
    """The states of one partition's visitors, by user key (`contracts.keys.UserKeys`)."""

    def get(self, key: bytes) -> UserState | None:
        """Return a visitor's state, which the caller may change if it calls `put` then; None for a new visitor.

        Raises:
            UnknownStateVersion, BrokenState: see `streams.affinity.unpack`.
        """

    def put(self, key: bytes, state: UserState) -> None:
        """Keep this state, which may be another object than `get` returned, as one that is to be written."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that a batch is folded by, besides the catalogue."""

    policy: Policy
    secret: bytes = field(repr=False)
    """Key of the user-id hash. Not in the repr, which a log or a traceback may show."""
    formats: dict[Source, InputForm]
    max_future_ms: int
    max_age_ms: int
    draw: Draw = only_variant
    """Chooses the variant of each new decision."""
    user_keys: UserKeys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Remember user keys from batch to batch.

        Raises:
            ConfigurationError: the secret is too short or too long.
        """
        object.__setattr__(self, "user_keys", UserKeys(self.secret))


@dataclass(frozen=True, slots=True)
class CausedRequest:
    """A banner request and the decision that caused it: the two make its CloudEvents id."""

    request: BannerRequest
    cause: str


@dataclass(slots=True)
class BatchOutcome:
    """What a batch leads to, besides states.

    Those of `changed` must be in the changelog before anything here is told, and all before offsets are committed.
    """

    changed: set[bytes] = field(default_factory=set)
    """Visitors, by user key, whose decision changed."""
    assignments: dict[bytes, Assignment] = field(default_factory=dict)
    """By user key, of visitors whose decision changed or who were in a replay: the latest of the batch."""
    requests: dict[str, CausedRequest] = field(default_factory=dict)
    """By banner key."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    """Visitors, by user key, whose assignments are to be deleted."""
    counts: dict[Disposition, int] = field(default_factory=dict)
    """Records counted by what became of them."""

    @property
    def urgent(self) -> set[bytes]:
        """Return the visitors whose states must be written before the rest is told.

        Not only those whose decision changed: a replay may tell one that an event before it, in this batch, touched.
        """
        return self.changed.union(self.assignments)

    @property
    def has_effects(self) -> bool:
        """Tell whether there is anything to publish."""
        return bool(self.assignments or self.dead_letters or self.forgotten)

    def add(self, later: "BatchOutcome") -> None:
        """Take over what a later batch leads to: of a visitor only the latest assignment, of a banner one ask."""
        self.changed |= later.changed
        for key in later.forgotten:
            self.assignments.pop(key, None)
        self.assignments |= later.assignments
        for banner_key, ask in later.requests.items():
            self.requests.setdefault(banner_key, ask)
        self.dead_letters += later.dead_letters
        self.forgotten += later.forgotten


def fold_batch(  # noqa: PLR0917  (what is folded, where it lies, and what by: in this order at its one call)
    source: Source,
    topic: str,
    partition: int,
    records: Sequence[InputRecord],
    states: States,
    catalogue: Catalogue,
    rules: Rules,
    now: int,
) -> BatchOutcome:
    """Fold records of one partition, in the order given, into `states`, and return what is to be written beside them.

    No record stops another: whatever cannot be used becomes a dead letter and leaves its visitor's state as it was. A
    record that was applied before changes nothing, and its visitor's current decision is told again, because the crash
    that made the replay may have come before it was. An event whose id its visitor's state remembers is ignored. `now`
    is only told as the time of requests and dead letters; no decision looks at it.

    Raises:
        UnknownStateVersion: a stored state was written by another version; no record is to blame.
    """
    batch = _BatchFold(source, topic, partition, states, catalogue, rules, now)
    events, times = decode_events(
        [each.value for each in records],
        [each.timestamp for each in records],
        source,
        rules.formats[source],
        max_future_ms=rules.max_future_ms,
        max_age_ms=rules.max_age_ms,
    )
    batch.take(records, events, times)
    return batch.outcome(len(records))


class _BatchFold:
    """A batch under way."""

    def __init__(  # noqa: PLR0917  (those of `fold_batch`)
        self,
        source: Source,
        topic: str,
        partition: int,
        states: States,
        catalogue: Catalogue,
        rules: Rules,
        now: int,
    ) -> None:
        self._source: Source = source
        self._topic = topic
        self._partition = partition
        self._now = now
        self._states = states
        self._catalogue = catalogue
        self._policy = rules.policy
        self._user_keys = rules.user_keys
        self._draw = rules.draw
        self._quick = quick_fold(source, topic, catalogue, rules.policy, rules.draw)
        self._written: dict[bytes, UserState] = {}
        """States that were put."""
        self._to_announce: dict[bytes, int] = {}
        """Visitors whose decision is to be told, and when the record arrived that is the reason to."""
        self._changed: set[bytes] = set()
        self._letters: list[DeadLetter] = []
        self._replayed = self._duplicates = self._ignored = 0

    def take(self, records: Sequence[InputRecord], events: Sequence[Decoded], times: Sequence[int]) -> None:
        """Fold events into their visitors' states, and decide.

        All that an event of the common case needs is in this loop, under names of its own: looking it up anew, and a
        call for each event, would take a third as long again.

        Raises:
            UnknownStateVersion: see `fold_batch`.
        """
        topic, half_life, user_keys, quick = self._topic, self._policy.half_life_ms, self._user_keys, self._quick
        get, put, written = self._states.get, self._states.put, self._written
        changed, told = self._changed, self._to_announce
        for record, event, at in zip(records, events, times, strict=True):
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
                    state = UserState(half_life, at, offsets={topic: -1})
                epoch = state.epoch
                if type(event) is not PlainEvent or not quick(state, event, at, record.offset, key):
                    self._fold_alone(state, event, at, record, key)
                    continue
            except ConfigurationError:  # a state of another version: every record of that visitor would fail, so stop
                raise
            except Exception as error:
                self._refuse(record, error)
                continue
            if state.epoch != epoch:
                changed.add(key)
                told[key] = record.timestamp
            if fresh:
                written[key] = state
                put(key, state)

    def _fold_alone(
        self, state: UserState, event: PlainEvent | Interaction, at: int, record: InputRecord, key: bytes
    ) -> None:
        """Fold by the specification, into a copy, which replaces the state if anything has changed."""
        interaction = event.interaction(self._source, at) if isinstance(event, PlainEvent) else event
        kept = state.copy()
        effect = fold(
            kept,
            interaction,
            topic=self._topic,
            offset=record.offset,
            catalogue=self._catalogue,
            policy=self._policy,
        )
        if effect == "duplicate":
            self._duplicates += 1
            self._keep(key, kept)
            return
        # A replay decides too: its banner may have got another key, because the catalogue went on in between.
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
            self._letters.append(letter_of(record, self._topic, self._partition, error, self._now))

    def outcome(self, records: int) -> BatchOutcome:
        """Return what the batch of so many records leads to."""
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
                decided_at=state.landmark + decision.decided,
            )
            if assignment.banner_key not in requests:
                requests[assignment.banner_key] = self._request(assignment, max(0, appended_at))
        told_apart = self._replayed + self._duplicates + self._ignored + len(self._letters)
        counts: dict[Disposition, int] = {
            "folded": records - told_apart,
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
            requested_at=self._now,
            event_appended_at=appended_at,
            favourites=self._catalogue.favourites(assignment.cohort_id),
        )
        return CausedRequest(request, f"{assignment.user_key}:{assignment.epoch}")


def _wrong_key(record: InputRecord, topic: str) -> WrongKey:
    found = "none" if record.key is None else repr(record.key.decode(errors="replace")[:80])
    return WrongKey(
        f"the Kafka key must be the visitor's id, so that all of a visitor's events share one partition; it is "
        f"{found}. Key {topic} by the visitor's id and send the event again: a replay keeps the wrong key"
    )


def letter_of(record: InputRecord, topic: str, partition: int, error: Exception, now: int) -> DeadLetter:
    """Return the dead letter of a record that `error` stands against; `now` in epoch milliseconds."""
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
        now=now,
    )
