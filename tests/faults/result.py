"""The common part of all runs: limits, broker and topics, and the result."""

from dataclasses import dataclass, fields

from aiokafka.admin import AIOKafkaAdminClient

from bannerstream.broker.connection import client_options
from bannerstream.contracts.topics import Topics
from bannerstream.settings import Settings
from tests.faults.audit import Findings
from tests.faults.servers import Servers

SESSION_TIMEOUT_S = 3.0
"""Short, so that a killed worker's partitions are soon reassigned; long enough for a live worker on a busy machine."""
RUN_S = 480.0
FENCED = frozenset({"pause", "pause-in-flush"})
"""Scenarios that always run with transactions."""


@dataclass(frozen=True)
class Result:
    """The result of a run."""

    name: str
    seed: int
    events: int
    faults: int
    findings: Findings
    seconds: float


def kafka_overrides(servers: Servers, name: str) -> dict[str, object]:
    """Return the settings of `kafka`, with separate topics for the run of this name."""
    return {
        "bootstrap_servers": servers.kafka.bootstrap_servers,
        "topics": {field.name: f"{name}.{getattr(Topics(), field.name).name}" for field in fields(Topics)},
        "session_timeout_s": SESSION_TIMEOUT_S,
    }


def streams_overrides(name: str, app_id: str, seed: int) -> dict[str, object]:
    """Return the settings of `streams`. Half of the seeds write in transactions, half in the order of writes.

    Only transactions fence a worker that was stopped after its last check, so scenarios that do this have them.
    """
    return {
        "app_id": app_id,
        "metrics_port": 0,
        "min_interval_s": 0,
        "transactions": name in FENCED or seed // 4 % 2 == 1,  # `seed % 4` decides other things
        "transaction_timeout_s": SESSION_TIMEOUT_S,
    }


async def delete_topics(settings: Settings, changelog: str) -> None:
    """Delete the run's topics: with thousands of topics, a broker's restart takes minutes."""
    topics = settings.kafka.topic_table()
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        await admin.delete_topics([changelog, *(topic.name for topic in topics)])
    finally:
        await admin.close()
