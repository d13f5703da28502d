"""A session of many visitors, and what must be true of streams once it is folded: what fault tests share."""

import json
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from aiokafka import ConsumerRecord

from contracts.codecs import decode
from contracts.keys import user_key
from contracts.messages import Assignment, BannerRequest
from local.kafka_apache import ApacheKafka
from settings import Settings
from streams.affinity import KIND_WEIGHTS, UserState, unpack
from streams.affinity.scores import weighed
from tests.streams_worker import Shop
from tests.unit.streams.shop import PRODUCTS

EVENTS = 10_000
VISITORS = 400
SESSION_TIMEOUT_S = 3.0
"""Short, so that a killed worker's partitions are soon free; long enough for a live one on a busy machine."""
NOW = time.time_ns() // 1_000_000 - EVENTS * 400
"""When the session begins: its last event comes now. Kafka deletes records that are stamped older than the topic's
retention, and refuses those from the future."""


def settings_for(kafka: ApacheKafka, name: str, folder: Path) -> tuple[Settings, dict[str, str]]:
    roles = ("clicks", "purchases", "products", "cohorts", "requests", "assignments", "ready", "feedback", "erasures")
    names = {role: f"{name}.{role}" for role in (*roles, "dead_letters")}
    settings = Settings(
        kafka={"bootstrap_servers": kafka.bootstrap_servers, "topics": names, "session_timeout_s": SESSION_TIMEOUT_S},
        streams={
            "app_id": f"{name}-streams",
            "data_dir": folder / "streams",
            "metrics_port": 0,
            "min_interval_s": 0,
        },
    )
    environment = {
        "BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "BANNERSTREAM_KAFKA__TOPICS": json.dumps(names),
        "BANNERSTREAM_KAFKA__SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
        "BANNERSTREAM_STREAMS__APP_ID": settings.streams.app_id,
        "BANNERSTREAM_STREAMS__METRICS_PORT": "0",
        "BANNERSTREAM_STREAMS__MIN_INTERVAL_S": "0",
    }
    return settings, environment


async def write_session(shop: Shop, random_: random.Random, numbers: range = range(EVENTS)) -> None:
    """Write clicks, carts, orders, late events and bad records of many visitors; or a part of them."""
    for number in numbers:
        user = f"visitor-{random_.randrange(VISITORS)}"
        kind = random_.choices(["view", "click", "cart", "purchase"], [6, 4, 2, 1])[0]
        at = NOW + number * 400 - (random_.randrange(40 * 86_400_000) if random_.random() < 0.1 else 0)
        goods = random_.sample([each.product_id for each in PRODUCTS], random_.choice([1, 1, 2]))
        topic = shop.topics.purchases.name if kind == "purchase" else shop.topics.clicks.name
        bad = {"value": b"{not json"} if random_.random() < 0.02 else {}
        event = {"event_id": f"e-{number}", "user_id": user, "product_ids": goods, "time": at, "kind": kind}
        await shop.post(topic, user, bad.get("value") or json.dumps(event).encode(), timestamp=NOW + number * 400)
    await shop.flush()


def expected_scores(records: Sequence[ConsumerRecord], half_life_ms: int) -> dict[str, dict[str, Fraction]]:
    """Return each visitor's scores as of `NOW`, from the definition: the sum of weight · 2^((t - now) / half-life)."""
    cohorts = {each.product_id: each.cohorts for each in PRODUCTS}
    scores: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for record in records:
        try:
            event = json.loads(record.value)
        except ValueError:
            continue
        for product_id in event["product_ids"]:
            for cohort, weight in cohorts[product_id].items():
                if cohort != "unheard-of":
                    decayed = KIND_WEIGHTS[event["kind"]] * weight * 2.0 ** ((event["time"] - NOW) / half_life_ms)
                    scores[event["user_id"]][cohort] += Fraction(decayed)
    return scores


def scores_of(state: UserState) -> dict[str, float]:
    """Return a state's scores as of `NOW`, as plain numbers."""
    unit = weighed(1.0, NOW, state.half_life_ms)
    return {
        cohort: math.ldexp(affinity.mantissa / unit.mantissa, affinity.exponent - unit.exponent)
        for cohort, affinity in state.cohorts.items()
    }


async def check_nothing_was_lost(shop: Shop, settings: Settings) -> None:
    """Compare state, dead letters and decisions with what the topics say, recomputed from the definition."""
    inputs = await shop.read(shop.topics.clicks.name) + await shop.read(shop.topics.purchases.name)
    assert len(inputs) == EVENTS
    secret = settings.privacy.user_key_secret.get_secret_value().encode()
    states = {each.key.decode(): unpack(each.value) for each in await shop.read(shop.changelog)}
    expected = expected_scores(inputs, round(settings.streams.half_life_days * 86_400_000))
    assert states.keys() == {user_key(user, secret) for user in expected}
    for user, scores in expected.items():
        found = scores_of(states[user_key(user, secret)])
        assert found.keys() == scores.keys()
        for cohort, score in scores.items():
            assert abs(found[cohort] / float(score) - 1) < 1e-9, (user, cohort)

    letters = await shop.read(shop.topics.dead_letters.name)
    bad = {(each.topic, each.partition, each.offset) for each in inputs if each.value == b"{not json"}
    named = Counter(
        (headers["dlq_topic"].decode(), int(headers["dlq_partition"]), int(headers["dlq_offset"]))
        for headers in (dict(each.headers) for each in letters)
    )
    assert named.keys() == bad

    assigned: dict[str, list[Assignment]] = defaultdict(list)
    for record in await shop.read(shop.topics.assignments.name):
        assignment = decode(record.value, Assignment)
        assigned[assignment.user_key].append(assignment)
    requested = {decode(each.value, BannerRequest).banner_key for each in await shop.read(shop.topics.requests.name)}
    assert assigned.keys() == states.keys()
    for key, assignments in assigned.items():
        by_epoch = {each.epoch: each for each in assignments}
        assert all(each == by_epoch[each.epoch] for each in assignments), "one epoch means one decision"
        latest, decision = by_epoch[max(by_epoch)], states[key].decision
        assert latest.epoch == states[key].epoch
        if decision is None:  # bought all that the cohorts hold
            assert latest.product_id in states[key].purchased
        else:
            assert latest.banner_key == decision.banner_key
        assert {each.banner_key for each in assignments} <= requested
