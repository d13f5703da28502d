"""The evidence of a streams worker that works correctly: the audits of faults must pass it."""

import json
import random
from dataclasses import dataclass, field, replace

from aiokafka import ConsumerRecord, TopicPartition

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.keys import user_key
from bannerstream.contracts.messages import Assignment, BannerRequest
from bannerstream.settings import Settings
from bannerstream.streams.affinity import UserState, fold, pack
from bannerstream.streams.affinity.decision import settle
from tests.faults.evidence import Evidence
from tests.faults.load import BAD
from tests.support import shop
from tests.support.shop import DAY, NOON, PRODUCTS, catalogue

SETTINGS = Settings(streams={"transactions": False})  # then the order of writes counts
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
    """Return the evidence of a worker that folds 60 events one by one, with the right order of writes."""
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
