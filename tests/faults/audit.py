"""The audit of a run: compares the output of streams with the output that its input topics require. Pure.

Scores are recomputed from their definition, in fractions. The order of writes follows from append times: one broker has
one clock.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Literal, get_args

from aiokafka import ConsumerRecord, TopicPartition

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.settings import Settings
from bannerstream.streams.affinity import KIND_WEIGHTS
from tests.faults.evidence import Earlier, Evidence
from tests.faults.load import BAD, REPEAT
from tests.faults.states import Seen, read_state
from tests.support.shop import COHORTS, DAY, PRODUCTS

Kind = Literal[
    "lost",  # an event that is missing in the scores, or is committed and not in the changelog
    "double",  # an event that counts more than once
    "dangling",  # an announced decision that no state contains, or a decision in a state that was not announced
    "stale",  # a record that is older than an earlier one of its key
    "dead_letters",  # a bad record without its letter, or a letter without its bad record
    "uncommitted",  # a committed offset that is not the end
    "wrong_bytes",  # a stored or shown picture whose hash differs from its name, or a cacheable failure
    "stuck",  # a decision whose banner never became ready
    "unerased",  # an erased visitor who still has a state or an assignment
    "memory",  # a worker whose state differs from the changelog
    "crashed",  # a worker that ended unexpectedly, or had to be killed
    "vacuous",  # the fault did not happen
]
KINDS: tuple[Kind, ...] = get_args(Kind)

TOLERANCE = 1e-9
"""Relative, of a score: rounding of 100 additions stays below 1e-13; the smallest event is 1e-6 of a large score."""


@dataclass
class Findings:
    """Descriptions of what is wrong, by kind."""

    texts: dict[Kind, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, kind: Kind, text: str) -> None:
        self.texts[kind].append(text)

    def take(self, other: "Findings") -> None:
        for kind, texts in other.texts.items():
            known = set(self.texts[kind])
            self.texts[kind] += [text for text in texts if text not in known]

    def counts(self) -> dict[Kind, int]:
        return {kind: len(texts) for kind, texts in self.texts.items()}

    def __bool__(self) -> bool:
        return any(self.texts.values())

    def text(self, most: int) -> str:
        """Return the first `most` of each kind, one a line, and how many more there are."""
        lines = []
        for kind, texts in self.texts.items():
            lines += [f"{kind}: {text}" for text in texts[:most]]
            if len(texts) > most:
                lines.append(f"{kind}: and {len(texts) - most} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text(most=10)


def audit(evidence: Evidence, settings: Settings) -> Findings:
    """Return what is wrong at the end of a run, when everything is written and the workers have caught up."""
    findings = Findings()
    for tp, end in evidence.ends.items():
        if evidence.committed[tp] != end:
            findings.add("uncommitted", f"{tp.topic}[{tp.partition}]: {evidence.committed[tp]} of {end}")
    findings.take(audit_committed(evidence, settings))
    _compare_scores(evidence, settings, findings)
    _check_erased(evidence, findings)
    _compare_memories(evidence, findings)
    return findings


def audit_committed(evidence: Evidence, settings: Settings) -> Findings:
    """Return what is wrong at any moment, with workers dead or alive: below committed offsets all must be written."""
    findings = Findings()
    _check_states_go_forward(evidence, findings)
    _check_assignments_go_forward(evidence, findings)
    _check_decisions_have_states(evidence, settings, findings)
    _check_committed_is_written(evidence, settings, findings)
    _check_dead_letters(evidence, findings)
    return findings


def expected_scores(contributions: Sequence["Contribution"]) -> dict[str, Fraction]:
    """Return the sums of a visitor's events per cohort, from the definition: weight · 2^((t - at) / half-life)."""
    scores: dict[str, Fraction] = defaultdict(Fraction)
    for contribution in contributions:
        for cohort, score in contribution.scores.items():
            scores[cohort] += score
    return scores


@dataclass(frozen=True)
class Contribution:
    """The contribution of one event to its visitor's scores."""

    where: str
    scores: Mapping[str, Fraction]


_KNOWN = {cohort.cohort_id for cohort in COHORTS}
_MEMBERSHIPS = {
    product.product_id: {cohort: weight for cohort, weight in product.cohorts.items() if cohort in _KNOWN}
    for product in PRODUCTS
}


def _good(records: Sequence[ConsumerRecord]) -> Iterator[ConsumerRecord]:
    return (record for record in records if BAD not in dict(record.headers))


def _where(record: ConsumerRecord) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"


def _contribution(record: ConsumerRecord, at: int, half_life_ms: int) -> Contribution:
    event = json.loads(record.value)
    scores: dict[str, Fraction] = defaultdict(Fraction)
    for product_id in event["product_ids"]:
        for cohort, weight in _MEMBERSHIPS[product_id].items():
            scores[cohort] += _decayed(KIND_WEIGHTS[event["kind"]] * weight, event["time"], at, half_life_ms)
    return Contribution(_where(record), scores)


def _decayed(weight: float, time: int, at: int, half_life_ms: int) -> Fraction:
    return Fraction(weight * 2.0 ** ((time - at) / half_life_ms))


def _by_visitor(evidence: Evidence, settings: Settings) -> dict[str, list[ConsumerRecord]]:
    secret = settings.privacy.user_key_secret.get_secret_value().encode()
    keys: dict[bytes, str] = {}
    found: dict[str, list[ConsumerRecord]] = defaultdict(list)
    for record in _good(evidence.inputs):
        if record.key not in keys:
            keys[record.key] = user_key(record.key.decode(), secret)
        if keys[record.key] not in evidence.erased:
            found[keys[record.key]].append(record)
    return found


def _announced(evidence: Evidence) -> Iterator[tuple[ConsumerRecord, Assignment]]:
    """Yield what was assigned; a record without a value withdraws the assignment of an erased visitor."""
    for record in evidence.assignments:
        if record.value is not None:
            yield record, decode(record.value, Assignment)


def _banner(key: str) -> str:
    """Return the part of a banner key that a state contains."""
    return key[:16]


def _by_key(records: Sequence[ConsumerRecord]) -> dict[str, list[ConsumerRecord]]:
    """Return a changelog's records by user key, in their order."""
    found: dict[str, list[ConsumerRecord]] = defaultdict(list)
    for record in records:
        found[record.key.decode()].append(record)
    return found


def _final_states(evidence: Evidence) -> dict[str, ConsumerRecord]:
    """Return the last record of every visitor that was not erased after it."""
    last = {each.key.decode(): each for each in evidence.changelog}
    return {key: record for key, record in last.items() if record.value is not None}


# Scores


def _compare_scores(evidence: Evidence, settings: Settings, findings: Findings) -> None:
    half_life_ms = round(settings.streams.half_life_days * DAY)
    at = max((each.timestamp for each in [*evidence.inputs, *evidence.changelog]), default=0)
    events = _by_visitor(evidence, settings)
    states = _final_states(evidence)
    for key in states.keys() - events.keys() - evidence.earlier.keys() - evidence.erased:
        findings.add("double", f"{key} has a state and no event")
    written = Counter(record.key.decode() for record in evidence.changelog)
    # A visitor without events whose state was not written again is as before: there may be very many of them.
    at_rest = {key for key in evidence.earlier.keys() - events.keys() if written[key] == 1}
    for key in (events.keys() | evidence.earlier.keys()) - at_rest:
        contributions = [
            _contribution(record, at, half_life_ms)
            for record in events.get(key, ())
            if REPEAT not in dict(record.headers)
        ]
        earlier = evidence.earlier.get(key, Earlier())
        base = {
            cohort: _decayed(weight, time, at, half_life_ms) for cohort, (weight, time) in earlier.contributions.items()
        }
        expected = expected_scores([Contribution("before the run", base), *contributions])
        found = read_state(states[key].value).scores(at) if key in states else {}
        _compare_visitor(key, expected, found, contributions, findings)


def _compare_visitor(
    key: str,
    expected: Mapping[str, Fraction],
    found: Mapping[str, Fraction],
    contributions: Sequence[Contribution],
    findings: Findings,
) -> None:
    """Compare scores; if one or two events explain the difference, name them (or equal ones)."""
    cohorts = expected.keys() | found.keys()
    gaps = {cohort: found.get(cohort, Fraction()) - expected.get(cohort, Fraction()) for cohort in cohorts}
    tolerances = {cohort: TOLERANCE * float(max(expected.get(cohort, 0), found.get(cohort, 0))) for cohort in cohorts}
    if all(abs(gap) <= tolerances[cohort] for cohort, gap in gaps.items()):
        return
    for kind, sign in (("lost", -1), ("double", 1)):
        for count in (1, 2):
            for some in combinations(contributions, count):
                scores = expected_scores(some)
                if all(abs(gap - sign * scores.get(cohort, 0)) <= tolerances[cohort] for cohort, gap in gaps.items()):
                    for one in some:
                        findings.add(kind, f"{one.where} of {key}")  # type: ignore[arg-type]
                    return
    beyond = {cohort: float(gap) for cohort, gap in gaps.items() if abs(gap) > tolerances[cohort]}
    differences = ", ".join(f"{cohort} {gap:+.6g}" for cohort, gap in sorted(beyond.items()))
    if min(beyond.values()) < 0:
        findings.add("lost", f"several events of {key}: {differences}")
    if max(beyond.values()) > 0:
        findings.add("double", f"several events of {key}: {differences}")


def _check_erased(evidence: Evidence, findings: Findings) -> None:
    for key in evidence.erased & _final_states(evidence).keys():
        findings.add("unerased", f"{key} has a state")
    assigned = {record.key.decode(): record.value for record in evidence.assignments}
    for key in evidence.erased:
        if assigned.get(key) is not None:
            findings.add("unerased", f"{key} has an assignment")


# Conditions on everything that is committed


def _check_committed_is_written(evidence: Evidence, settings: Settings, findings: Findings) -> None:
    states = _final_states(evidence)
    epochs: dict[str, int] = defaultdict(int)
    banners: dict[str, str] = {}
    for _, assignment in _announced(evidence):
        epochs[assignment.user_key] = assignment.epoch
        banners[assignment.user_key] = _banner(assignment.banner_key)
    requested = {_banner(decode(record.value, BannerRequest).banner_key) for record in evidence.requests}
    for key, records in _by_visitor(evidence, settings).items():
        state = read_state(states[key].value) if key in states else None
        applied = {} if state is None else state.offsets
        for record in records:
            committed = evidence.committed[TopicPartition(record.topic, record.partition)]
            if applied.get(record.topic, -1) < record.offset < committed:
                findings.add("lost", f"{_where(record)} of {key} is committed and not in the changelog")
        if state is None or not _all_is_committed(state, records[0].partition, evidence):
            continue
        # A decision of None is not announced: the visitor has bought all products of their cohorts.
        if state.banner is None or state.epoch <= evidence.earlier.get(key, Earlier()).epoch:
            continue
        if epochs[key] < state.epoch:
            findings.add("dangling", f"{key}: epoch {state.epoch} was decided, {epochs[key]} is the last announced")
        elif epochs[key] == state.epoch and banners[key] != state.banner:
            findings.add("dangling", f"{key}: epoch {state.epoch} has {state.banner}, announced was {banners[key]}")
        if state.banner not in requested:
            findings.add("dangling", f"{key}: banner {state.banner} was never requested")


def _all_is_committed(state: Seen, partition: int, evidence: Evidence) -> bool:
    return all(offset < evidence.committed[TopicPartition(topic, partition)] for topic, offset in state.offsets.items())


def _check_dead_letters(evidence: Evidence, findings: Findings) -> None:
    bad = {(each.topic, each.partition, each.offset): each for each in evidence.inputs if BAD in dict(each.headers)}
    named: Counter[tuple[str, int, int]] = Counter()
    for letter in evidence.dead_letters:
        headers = {name: value.decode() for name, value in letter.headers}
        origin = (headers["dlq_topic"], int(headers["dlq_partition"]), int(headers["dlq_offset"]))
        named[origin] += 1
        record = bad.get(origin)
        if record is None:
            findings.add("dead_letters", f"a letter for {origin}, which is a valid record: {headers['dlq_code']}")
        elif dict(record.headers)[BAD].decode() != headers["dlq_code"] or letter.value != record.value:
            findings.add("dead_letters", f"the letter for {origin} has code {headers['dlq_code']}, or other bytes")
    for topic, partition, offset in bad.keys() - named.keys():
        if offset < evidence.committed[TopicPartition(topic, partition)]:
            findings.add("dead_letters", f"none for {topic}[{partition}]@{offset}, which is committed")


# Order


def _check_states_go_forward(evidence: Evidence, findings: Findings) -> None:
    for key, records in _by_key(evidence.changelog).items():
        if len({record.partition for record in records}) > 1:
            findings.add("double", f"{key} has states in several partitions")
        for earlier, later in pairwise(records):
            if earlier.value is None or later.value is None:
                continue
            before, after = read_state(earlier.value), read_state(later.value)
            back = [topic for topic, offset in before.offsets.items() if after.offsets.get(topic, -1) < offset]
            if back or after.epoch < before.epoch:
                findings.add(
                    "stale",
                    f"{_where(later)} of {key}: epoch {before.epoch} -> {after.epoch}, "
                    f"offsets {dict(before.offsets)} -> {dict(after.offsets)}",
                )


def _check_assignments_go_forward(evidence: Evidence, findings: Findings) -> None:
    last: dict[str, Assignment] = {}
    for record, assignment in _announced(evidence):
        before = last.get(assignment.user_key, assignment)
        if assignment.epoch < before.epoch:
            findings.add("stale", f"{_where(record)}: epoch {before.epoch} -> {assignment.epoch}")
        elif assignment.epoch == before.epoch and assignment != before:
            findings.add("dangling", f"{_where(record)}: epoch {assignment.epoch} was announced with another decision")
        last[assignment.user_key] = assignment


def _check_decisions_have_states(evidence: Evidence, settings: Settings, findings: Findings) -> None:
    """What is told stands in the changelog, in that epoch or beyond it: before it was told, or in one transaction."""
    history = _by_key(evidence.changelog)
    is_in_order = not settings.streams.transactions

    def check(record: ConsumerRecord, key: str, epoch: int, banner_key: str) -> None:
        states = [(each.timestamp, read_state(each.value)) for each in history.get(key, ()) if each.value is not None]
        if not any((not is_in_order or at <= record.timestamp) and state.epoch >= epoch for at, state in states):
            findings.add("dangling", f"{_where(record)}: epoch {epoch} of {key} was told without a written state")
        same = {state.banner for _, state in states if state.epoch == epoch} - {None}
        if same and _banner(banner_key) not in same:
            findings.add("dangling", f"{_where(record)}: epoch {epoch} of {key} has another banner in the changelog")

    for record, assignment in _announced(evidence):
        check(record, assignment.user_key, assignment.epoch, assignment.banner_key)
    for record in evidence.requests:
        if "ce_id" not in dict(record.headers):
            continue  # a dead letter that was replayed
        # The id consists of banner key, user key and epoch.
        banner_key, key, epoch = dict(record.headers)["ce_id"].decode().split(":")
        check(record, key, int(epoch), banner_key)


# Memory


def _compare_memories(evidence: Evidence, findings: Findings) -> None:
    changelog = _final_states(evidence)
    held: Counter[int] = Counter()
    for memory in evidence.memories:
        for partition, states in memory.items():
            held[partition] += 1
            there = {key: record.value for key, record in changelog.items() if record.partition == partition}
            for key in there.keys() | states.keys():
                here, written = states.get(key), there.get(key)
                if here != written and (here is None or written is None or read_state(here) != read_state(written)):
                    findings.add("memory", f"{key} of partition {partition} differs from the changelog")
    if evidence.memories:
        for partition in {record.partition for record in changelog.values()}:
            if held[partition] != 1:
                findings.add("memory", f"partition {partition} is held by {held[partition]} workers")
