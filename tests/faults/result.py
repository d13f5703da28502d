"""What every run shares: its limits, its broker and topics, and what it came to."""

from dataclasses import dataclass, fields

from aiokafka.admin import AIOKafkaAdminClient

from bannerstream.broker.connection import client_options
from bannerstream.contracts.topics import Topics
from bannerstream.settings import Settings
from tests.faults.audit import Findings
from tests.faults.servers import Servers

SESSION_TIMEOUT_S = 3.0
"""Short, so that a killed worker's partitions are soon free; long enough for a live one on a busy machine."""
RUN_S = 240.0


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    name: str
    seed: int
    events: int
    faults: int
    findings: Findings
    seconds: float


def kafka_overrides(servers: Servers, name: str) -> dict[str, object]:
    """Return the settings of `kafka`, with topics that only the run of this name uses."""
    return {
        "bootstrap_servers": servers.kafka.bootstrap_servers,
        "topics": {each.name: f"{name}.{getattr(Topics(), each.name).name}" for each in fields(Topics)},
        "session_timeout_s": SESSION_TIMEOUT_S,
    }


async def delete_topics(settings: Settings, changelog: str) -> None:
    """Leave the next run a broker as small as the first had: with thousands of logs, a restart takes minutes."""
    topics = settings.kafka.topic_table()
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        await admin.delete_topics([changelog, *(each.name for each in topics)])
    finally:
        await admin.close()
