"""`--work full`: the product's own worker on the same events, with decisions, assignments and requests."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaProducer

from bannerstream.broker.topics import changelog_name, create_topics
from bannerstream.contracts.catalog import Product
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.keys import user_key
from bannerstream.settings import Settings
from bannerstream.streams.affinity.scores import decayed
from bannerstream.streams.columnar import ColumnarStates
from bench.arena import shop
from bench.arena.audit import how_offsets_differ, how_scores_differ, latest_states, which_users_differ
from bench.arena.expected import Expected
from bench.arena.topics import Topics
from bench.arena.workload import PARTITIONS
from bench.core import rules

_ROLES = (
    "purchases",
    "products",
    "cohorts",
    "requests",
    "assignments",
    "ready",
    "feedback",
    "erasures",
    "dead_letters",
)


def prepare(bootstrap: str, clicks: str, app: str, folder: Path, *, extra: Sequence[Product] = ()) -> Mapping[str, str]:
    """Create the topics of one run, load the catalogue and `extra`, and return the worker's settings as variables."""
    names = {"clicks": clicks} | {role: f"{app}.{role}" for role in _ROLES}
    settings = Settings(kafka={"bootstrap_servers": bootstrap, "topics": names, "partitions": PARTITIONS})
    asyncio.run(_load(settings, app, [*shop.products(), *extra]))
    return {
        "BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BANNERSTREAM_KAFKA__TOPICS": json.dumps(names),
        "BANNERSTREAM_STREAMS__APP_ID": app,
        "BANNERSTREAM_STREAMS__DATA_DIR": str(folder / "streams"),
        "BANNERSTREAM_STREAMS__METRICS_PORT": "0",
        "BANNERSTREAM_STREAMS__WRITE_STATE_VERSION": "3",
    }


async def _load(settings: Settings, app: str, products: Sequence[Product]) -> None:
    await create_topics(settings.kafka, changelog=changelog_name(app))
    # A new topic has no leader for a moment; aiokafka retries, and logs a warning each time.
    logging.getLogger("aiokafka.producer").setLevel(logging.ERROR)
    topics = settings.kafka.topic_table()
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers, acks="all", linger_ms=20)
    await producer.start()
    try:
        for cohort in shop.cohorts():
            await producer.send(topics.cohorts.name, encode(cohort), key=cohort.cohort_id.encode())
        for product in products:
            await producer.send(topics.products.name, encode(product), key=product.product_id.encode())
        await producer.flush()
    finally:
        await producer.stop()


def audit(topics: Topics, changelog: str, expected: Expected) -> str | None:
    """Return what is wrong with the visitors' scores and applied offsets, or None.

    Decisions, requests and dead letters are not checked here; tests/faults/ audits them.
    """
    secret = Settings().privacy.user_key_secret.get_secret_value().encode()
    rows = {user_key(user.decode(), secret).encode(): row for user, row in expected.rows.items()}
    latest = latest_states(topics, changelog)
    table = ColumnarStates(rules().policy)
    table.apply(latest.items(), len(latest))
    states = table.get_all(table.keys())
    if (difference := which_users_differ(states.keys(), rows.keys())) is not None:
        return difference
    cohorts = {cohort: number for number, cohort in enumerate(shop.COHORTS)}
    offsets = np.zeros(len(rows))
    scores = np.zeros((len(rows), len(cohorts)))
    for key, state in states.items():
        if isinstance(state, Exception):
            return f"a state that cannot be read: {state}"
        row = rows[key]
        (offsets[row],) = state.offsets.values()
        to_landmark = decayed(state.landmark_ms - expected.landmark_ms, state.half_life_ms)
        for cohort, score in state.scores.items():
            scores[row, cohorts[cohort]] = score * to_landmark
    return how_offsets_differ(offsets, expected) or how_scores_differ(scores, expected)
