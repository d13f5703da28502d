"""One batch of records in, everything that follows from it out: pure, so that the agent is left with sending."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from contracts.deadletters import DeadLetter
from contracts.errors import ConfigurationError, InvalidRecord
from contracts.inputs import InputForm, Source, decode_event
from contracts.interactions import Interaction
from contracts.keys import user_key
from contracts.messages import Assignment, BannerRequest
from streams.affinity import Catalogue, Policy, UserState, fold, pack, unpack
from streams.affinity.catalogue import VARIANT
from streams.affinity.deciding import settle
from streams.errors import WrongKey

Fate = Literal["folded", "replayed", "dead_letter"]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record of clicks or purchases, as it lies in its topic."""

    source: Source
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    """Epoch milliseconds: when the broker took it, or when the producer says it sent it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that a batch is folded by, besides the catalogue."""

    policy: Policy
    secret: bytes = field(repr=False)
    """Key of the user-id hash. Not in the repr, which a log or a traceback may show."""
    formats: dict[Source, InputForm]
    max_future_ms: int
    max_age_ms: int


@dataclass(frozen=True, slots=True)
class StateKey:
    """Where a visitor's state lies: its partition in the changelog, which is that of their events, and its key."""

    partition: int
    user_key: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A banner request and the decision that caused it: the two make its CloudEvents id."""

    request: BannerRequest
    cause: str


@dataclass(slots=True)
class Outcome:
    """What a batch leads to, in the order in which it must be written: states, then the rest, then offsets."""

    states: dict[StateKey, bytes] = field(default_factory=dict)
    assignments: list[Assignment] = field(default_factory=list)
    """One per visitor whose decision changed, or who was in a replay: the latest of the batch."""
    asks: list[Ask] = field(default_factory=list)
    """One per banner key."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    fates: dict[tuple[Source, Fate], int] = field(default_factory=dict)
    """Records counted by what became of them."""


def fold_batch(
    records: Iterable[SourceRecord],
    stored: Callable[[StateKey], bytes | None],
    catalogue: Catalogue,
    rules: Rules,
    now: int,
) -> Outcome:
    """Fold records, in the order given, and return what is to be written.

    No record stops another: whatever cannot be used becomes a dead letter. A record that was applied before changes
    nothing, and its visitor's current decision is told again, because the crash that made the replay may have come
    before it was. `now` is only told as the time of requests and dead letters; no decision looks at it.

    Raises:
        UnknownStateVersion: a stored state was written by another version; no record is to blame.
    """
    outcome = Outcome()
    touched: dict[StateKey, _Visitor] = {}
    for record in records:
        fate: Fate
        try:
            fate = _apply(record, touched, stored, catalogue, rules)
        except InvalidRecord as error:
            fate = "dead_letter"
            outcome.dead_letters.append(_dead_letter(record, error.code, str(error), now))
        except ConfigurationError:  # a state of another version: every record of that visitor would fail, so stop
            raise
        except Exception as error:
            fate = "dead_letter"
            outcome.dead_letters.append(_dead_letter(record, "internal", f"{type(error).__name__}: {error}", now))
        outcome.fates[record.source, fate] = outcome.fates.get((record.source, fate), 0) + 1
    asks: dict[str, Ask] = {}
    for key, visitor in touched.items():
        if (ask := _conclude(key, visitor, catalogue, now, outcome)) is not None:
            asks.setdefault(ask.request.banner_key, ask)
    outcome.asks = list(asks.values())
    return outcome


@dataclass(slots=True)
class _Visitor:
    state: UserState
    changed: bool = False
    """The state is to be written."""
    tell: bool = False
    """The decision is to be told."""
    appended_at: int = 0
    """When the record arrived that is the reason to tell."""


def _apply(
    record: SourceRecord,
    touched: dict[StateKey, _Visitor],
    stored: Callable[[StateKey], bytes | None],
    catalogue: Catalogue,
    rules: Rules,
) -> Fate:
    interaction = decode_event(
        record.value,
        record.source,
        rules.formats[record.source],
        received_at=record.timestamp,
        max_future_ms=rules.max_future_ms,
        max_age_ms=rules.max_age_ms,
    )
    _check_key(record, interaction)
    key = StateKey(record.partition, user_key(interaction.user_id, rules.secret))
    visitor = touched.get(key)
    if visitor is None:
        packed = stored(key)
        visitor = _Visitor(UserState(rules.policy.half_life_ms) if packed is None else unpack(packed))
    folded = fold(
        visitor.state,
        interaction,
        topic=record.topic,
        offset=record.offset,
        catalogue=catalogue,
        policy=rules.policy,
    )
    touched[key] = visitor
    # A replay decides too: its banner may have got another key, because the catalogue went on in between.
    decided = settle(visitor.state, catalogue, rules.policy)
    visitor.changed |= folded or decided
    if decided or not folded:
        visitor.tell = True
        visitor.appended_at = record.timestamp
    return "folded" if folded else "replayed"


def _check_key(record: SourceRecord, interaction: Interaction) -> None:
    if record.key != interaction.user_id.encode():
        found = "none" if record.key is None else repr(record.key.decode(errors="replace")[:80])
        raise WrongKey(
            f"the Kafka key must be the visitor's id, so that all of a visitor's events share one partition; it is "
            f"{found}. Key {record.topic} by the visitor's id and send the event again: a replay keeps the wrong key"
        )


def _conclude(key: StateKey, visitor: _Visitor, catalogue: Catalogue, now: int, outcome: Outcome) -> Ask | None:
    """Put a visitor's state and assignment into the outcome; return what to ask for, by whomever else it was asked."""
    if visitor.changed:
        outcome.states[key] = pack(visitor.state)
    decision = visitor.state.decision
    if not visitor.tell or decision is None:
        return None
    outcome.assignments.append(
        Assignment(
            user_key=key.user_key,
            epoch=visitor.state.epoch,
            banner_key=decision.banner_key,
            product_id=decision.product_id,
            cohort_id=decision.cohort_id,
            decided_at=decision.decided_at,
        )
    )
    product = catalogue.products[decision.product_id]
    request = BannerRequest(
        banner_key=decision.banner_key,
        product=product,
        cohort=catalogue.cohorts[decision.cohort_id],
        locale=product.locale,
        variant=VARIANT,
        creative_revision=catalogue.creative_revision,
        requested_at=now,
        event_appended_at=max(0, visitor.appended_at),
    )
    return Ask(request, f"{key.user_key}:{visitor.state.epoch}")


def _dead_letter(record: SourceRecord, code: str, reason: str, now: int) -> DeadLetter:
    return DeadLetter.of(
        key=record.key,
        value=record.value,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        code=code,
        reason=reason,
        now=now,
    )
