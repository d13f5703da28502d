"""The audit of fault runs: an honest run passes, and each kind of wrong is found and named."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.settings import Settings
from bannerstream.streams.affinity import UserState, fold, pack, unpack
from bannerstream.streams.affinity.decision import settle
from tests.faults.audit import Kind, audit, audit_committed
from tests.faults.evidence import Earlier, Evidence
from tests.faults.load import BAD, REPEAT
from tests.faults.states import read_state, version_1
from tests.support import shop
from tests.support.shop import DAY, NOON, PRODUCTS, catalogue

SETTINGS = Settings(streams={"transactions": False})  # then the order of writes counts
IN_TRANSACTIONS = Settings()
SECRET = SETTINGS.privacy.user_key_secret.get_secret_value().encode()
POLICY = replace(shop.POLICY, min_interval_ms=0)
KEYS = {user: user_key(user, SECRET) for user in ("ada", "bob", "cleo")}
TOPIC = "clicks"


@dataclass
class Log:
    """One topic of one partition."""

    topic: str
    records: list[ConsumerRecord] = field(default_factory=list)

    def append(self, at: int, key: str, value: bytes | None, headers: dict[str, str] | None = None) -> None:
        record_headers = tuple((name, text.encode()) for name, text in (headers or {}).items())
        offset = len(self.records)
        self.records.append(
            ConsumerRecord(self.topic, 0, offset, at, 1, key.encode(), value, None, 0, 0, record_headers)
        )


def honest() -> Evidence:
    """Return what one worker leaves that folds 60 events one by one, each in the right order of writes."""
    random_ = random.Random(1)
    logs = {name: Log(name) for name in (TOPIC, "changelog", "assignments", "requests", "dlq")}
    states = {key: UserState(POLICY.half_life_ms) for key in KEYS.values()}
    known = catalogue()
    for number in range(60):
        at = NOON + 10 * number
        user = random_.choice(list(KEYS))
        if number % 20 == 7:
            logs[TOPIC].append(at, user, b"{", {BAD: "malformed"})
            origin = {"dlq_topic": TOPIC, "dlq_partition": "0", "dlq_offset": str(number), "dlq_code": "malformed"}
            logs["dlq"].append(at + 1, user, b"{", origin)
            continue
        product = random_.choice(PRODUCTS)
        event = {"event_id": f"e-{number}", "user_id": user, "time": at, "kind": "click"}
        value = json.dumps(event | {"product_ids": [product.product_id]}).encode()
        logs[TOPIC].append(at, user, value)
        key, state = KEYS[user], states[KEYS[user]]
        interaction = decode_event(value, "clicks", "native", received_at=at, max_future_ms=DAY, max_age_ms=DAY)
        fold(state, interaction, topic=TOPIC, offset=number, catalogue=known, policy=POLICY)
        changed = settle(state, known, POLICY)
        logs["changelog"].append(at + 1, key, pack(state))
        if changed and (decision := state.decision) is not None:
            banner = known.banner_key(decision.product_id, decision.cohort_id)
            assignment = Assignment(
                user_key=key,
                epoch=state.epoch,
                banner_key=banner,
                product_id=decision.product_id,
                cohort_id=decision.cohort_id,
                decided_at=at,
            )
            request = BannerRequest(
                banner_key=banner,
                product=known.products[decision.product_id],
                cohort=known.cohorts[decision.cohort_id],
                locale="en",
                variant="a",
                creative_revision="1",
                requested_at=at,
                event_appended_at=at,
            )
            logs["requests"].append(at + 2, banner, encode(request), {"ce_id": f"{banner}:{key}:{state.epoch}"})
            logs["assignments"].append(at + 2, key, encode(assignment))
    end = {TopicPartition(TOPIC, 0): 60}
    changelog = logs["changelog"].records
    final = {record.key.decode(): record.value for record in changelog}
    return Evidence(
        inputs=logs[TOPIC].records,
        changelog=changelog,
        assignments=logs["assignments"].records,
        requests=logs["requests"].records,
        dead_letters=logs["dlq"].records,
        committed=end,
        ends=end,
        memories=[{0: final}],
    )


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
    assert not audit(told_too_early(honest()), IN_TRANSACTIONS)
    stateless = replace(honest(), changelog=honest().changelog[:1])
    assert audit(stateless, IN_TRANSACTIONS).counts()["dangling"]


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
