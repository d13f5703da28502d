"""The audit of fault runs: an honest run passes, and each kind of wrong is found and named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from bannerstream.settings import Settings
from bannerstream.streams.affinity import pack, unpack
from tests.faults.audit import Kind, audit, audit_committed
from tests.faults.evidence import Earlier, Evidence
from tests.faults.load import BAD, REPEAT
from tests.faults.states import read_state, version_1
from tests.support.honest_run import KEYS, POLICY, SETTINGS, TOPIC, honest
from tests.support.shop import DAY, NOON


def found(evidence: Evidence) -> set[Kind]:
    return {kind for kind, count in audit(evidence, SETTINGS).counts().items() if count}


def last_event_forgotten(evidence: Evidence) -> Evidence:
    """The visitor's last state says that it holds an event which it does not hold."""
    *_, before, last = [each for each in evidence.changelog if each.key.decode() == KEYS["ada"]]
    offsets, epoch = read_state(last.value).offsets, read_state(last.value).epoch
    state = unpack(before.value)
    state.offsets, state.epoch = dict(offsets), epoch
    return with_state(evidence, last, pack(state))


def with_state(evidence: Evidence, record: ConsumerRecord, packed: bytes) -> Evidence:
    changelog = [replace(each, value=packed) if each is record else each for each in evidence.changelog]
    memory = {0: {each.key.decode(): each.value for each in changelog}}
    return replace(evidence, changelog=changelog, memories=[memory])


def event_twice(evidence: Evidence) -> Evidence:
    """An event's record is not there, but the scores hold it: to the audit it counts once too often."""
    there = [each for each in evidence.inputs if each.key == b"ada" and BAD not in dict(each.headers)]
    return replace(evidence, inputs=[each for each in evidence.inputs if each is not there[3]])


def without(name: str, which: Callable[[ConsumerRecord], bool]) -> Callable[[Evidence], Evidence]:
    def taken(evidence: Evidence) -> Evidence:
        kept = [each for each in getattr(evidence, name) if not which(each)]
        assert len(kept) < len(getattr(evidence, name))
        taken_away: dict[str, Any] = {name: kept}
        return replace(evidence, **taken_away)

    return taken


def a_repeat_that_counted(evidence: Evidence) -> Evidence:
    """One of the events was a repeat of another: the scores hold it."""
    inputs = list(evidence.inputs)
    inputs[3] = replace(inputs[3], headers=((REPEAT, b""),))
    return replace(evidence, inputs=inputs)


def states_swapped(evidence: Evidence) -> Evidence:
    mine = [number for number, each in enumerate(evidence.changelog) if each.key.decode() == KEYS["bob"]]
    changelog = list(evidence.changelog)
    changelog[mine[-3]], changelog[mine[-2]] = changelog[mine[-2]], changelog[mine[-3]]
    return replace(evidence, changelog=changelog)


def told_too_early(evidence: Evidence) -> Evidence:
    return replace(evidence, assignments=[replace(each, timestamp=each.timestamp - 5) for each in evidence.assignments])


def letter_for_a_good_record(evidence: Evidence) -> Evidence:
    letter = evidence.dead_letters[0]
    headers = tuple((name, b"1" if name == "dlq_offset" else value) for name, value in letter.headers)
    return replace(evidence, dead_letters=[*evidence.dead_letters, replace(letter, headers=headers)])


def memory_behind(evidence: Evidence) -> Evidence:
    first = evidence.changelog[0]
    return replace(evidence, memories=[{0: {**evidence.memories[0][0], first.key.decode(): first.value}}])


WRONGS: dict[str, tuple[Callable[[Evidence], Evidence], set[Kind]]] = {
    "an event is not in the scores": (last_event_forgotten, {"lost"}),
    "an event counts too often": (event_twice, {"double"}),
    "a repeat counts": (a_repeat_that_counted, {"double"}),
    "the last state was not written": (
        without("changelog", lambda record: record.offset >= 54),
        {"lost", "dangling", "memory"},
    ),
    "the last decisions were not told": (without("assignments", lambda record: record.offset >= 10), {"dangling"}),
    "no banner was asked for": (without("requests", lambda record: True), {"dangling"}),
    "a decision was told before its state": (told_too_early, {"dangling"}),
    "a state went backwards": (states_swapped, {"stale"}),
    "a bad record has no letter": (without("dead_letters", lambda record: record.offset == 1), {"dead_letters"}),
    "a good record has a letter": (letter_for_a_good_record, {"dead_letters"}),
    "not all is committed": (
        lambda evidence: replace(evidence, committed={TopicPartition(TOPIC, 0): 59}),
        {"uncommitted"},
    ),
    "memory is behind": (memory_behind, {"memory"}),
    "two workers hold a partition": (
        lambda evidence: replace(evidence, memories=[*evidence.memories, *evidence.memories]),
        {"memory"},
    ),
}


def test_an_honest_run_passes() -> None:
    findings = audit(honest(), SETTINGS)
    assert not findings, str(findings)


@pytest.mark.parametrize("what", WRONGS)
def test_every_wrong_is_found(what: str) -> None:
    wrong, kinds = WRONGS[what]
    evidence = wrong(honest())
    assert found(evidence) == kinds, str(audit(evidence, SETTINGS))


def test_in_a_transaction_only_what_has_no_state_at_all_is_told_too_early() -> None:
    in_transactions = Settings(streams={"transactions": True})
    assert not audit(told_too_early(honest()), in_transactions)
    stateless = replace(honest(), changelog=honest().changelog[:1])
    assert audit(stateless, in_transactions).counts()["dangling"]


def test_a_lost_event_is_named() -> None:
    findings = audit(last_event_forgotten(honest()), SETTINGS)
    (text,) = findings.texts["lost"]
    *_, last = [each for each in honest().inputs if each.key == b"ada" and BAD not in dict(each.headers)]
    assert text == f"{TOPIC}[0]@{last.offset} of {KEYS['ada']}"


def test_what_is_not_committed_yet_may_be_missing() -> None:
    """A worker died: the state of its last events, their decisions and letters will be written again."""
    evidence = honest()
    half = replace(
        evidence,
        committed={TopicPartition(TOPIC, 0): 30},
        changelog=[each for each in evidence.changelog if each.timestamp <= NOON + 300],
        assignments=[each for each in evidence.assignments if each.timestamp <= NOON + 300],
        requests=[each for each in evidence.requests if each.timestamp <= NOON + 300],
        dead_letters=evidence.dead_letters[:2],
    )
    assert not audit_committed(half, SETTINGS), str(audit_committed(half, SETTINGS))
    ahead = replace(half, committed={TopicPartition(TOPIC, 0): 60})
    assert {kind for kind, count in audit_committed(ahead, SETTINGS).counts().items() if count} >= {
        "lost",
        "dead_letters",
    }


def test_states_from_before_the_run_count_once() -> None:
    packed = version_1(POLICY.half_life_ms, NOON - DAY, {"cosy": 0.7}, epoch=3, product_id="mug")
    record = ConsumerRecord("changelog", 0, 0, NOON, 1, b"k", packed, None, 0, 0, ())
    end = {TopicPartition(TOPIC, 0): 0}
    evidence = Evidence([], [record], [], [], [], end, end, earlier={"k": Earlier({"cosy": (0.7, NOON - DAY)}, 3)})
    assert found(evidence) == set()
    assert found(replace(evidence, earlier={})) == {"double"}
    another = Evidence([], [replace(record, key=b"j")], [], [], [], end, end, earlier=evidence.earlier)
    assert found(another) == {"lost", "double"}
