"""What `topics check` says where the broker does not tell cleanup policies: a note, and the rest is checked."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IncompatibleBrokerVersion, UnsupportedVersionError

from bannerstream.broker import topics
from bannerstream.settings.kafka import KafkaSettings


class Admin:
    """A broker with all topics that answers `describe_configs` with `answer`."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def describe_topics(self, _: None) -> list[dict[str, Any]]:
        partitions = [{"replicas": [1]}] * 4
        return [{"topic": each.name, "partitions": partitions} for each in KafkaSettings().topic_table()]

    async def describe_configs(self, asked: list[Any]) -> list[Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [SimpleNamespace(resources=[self.answer(each.name) for each in asked])]


@pytest.mark.parametrize("refusal", [IncompatibleBrokerVersion("old"), UnsupportedVersionError("old")])
async def test_a_broker_that_knows_no_such_request(refusal: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "AIOKafkaAdminClient", lambda **_: Admin(refusal))
    checked = await topics.check_topics(KafkaSettings())
    assert checked.problems == ()
    assert len(checked.notes) == 1
    assert "cleanup policies" in checked.notes[0]


async def test_a_broker_that_refuses_one_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(name: str) -> tuple[int, str, int, str, list[tuple[str, str]]]:
        if name == "clicks":
            return (29, "no right to describe", 2, name, [])
        return (0, "", 2, name, [("cleanup.policy", "delete")])

    monkeypatch.setattr(topics, "AIOKafkaAdminClient", lambda **_: Admin(answer))
    checked = await topics.check_topics(KafkaSettings())
    assert checked.notes == ("clicks: cleanup.policy could not be read: no right to describe",)
    compact = {each.name for each in KafkaSettings().topic_table() if each.cleanup == "compact"}
    assert {each.topic for each in checked.problems} == compact
    assert {each.kind for each in checked.problems} == {"cleanup"}


async def test_events_whose_arrival_clients_date_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop's own topics are of Kafka's default; it is told what to change, and the services start."""

    def answer(name: str) -> tuple[int, str, int, str, list[tuple[str, str]]]:
        return (0, "", 2, name, [("message.timestamp.type", "LogAppendTime" if name == "purchases" else "CreateTime")])

    monkeypatch.setattr(topics, "AIOKafkaAdminClient", lambda **_: Admin(answer))
    checked = await topics.check_topics(KafkaSettings())
    assert [(each.topic, each.kind) for each in checked.problems] == [("clicks", "timestamps")]
    assert "message.timestamp.type=LogAppendTime" in checked.problems[0].message
    checked.refuse()
