import gzip
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bannerstream.contracts.asyncapi import asyncapi_document
from bannerstream.contracts.cloudevents import CloudEvent
from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.topics import Topics

OFFICIAL = json.loads(gzip.decompress((Path(__file__).parent / "data" / "asyncapi-3.0.0.schema.json.gz").read_bytes()))
TOPICS = Topics().renamed({"clicks": "shop.clicks"})
DOCUMENT = asyncapi_document(TOPICS, ["kafka-1:9092", "kafka-2:9092"], partitions=6, replicas=3)


def at(reference: str) -> Any:
    assert reference.startswith("#/")
    place: Any = DOCUMENT
    for part in reference[2:].split("/"):
        place = place[part]
    return place


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in references(each)]
    if isinstance(value, dict):
        here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return here + [found for each in value.values() for found in references(each)]
    return []


@pytest.mark.parametrize(
    "document", [DOCUMENT, asyncapi_document(Topics(), ["127.0.0.1:9092"], secure=True)], ids=["full", "least"]
)
def test_the_document_is_valid_by_the_official_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(OFFICIAL).validate(document)


def test_the_official_schema_can_say_no() -> None:
    wrong = {**DOCUMENT, "operations": {"x": {"action": "shout", "channel": {"$ref": "#/channels/clicks"}}}}
    assert not jsonschema.Draft7Validator(OFFICIAL).is_valid(wrong)


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)
    assert len(found) > 50
    for reference in found:
        at(reference)


def test_every_topic_is_a_channel_under_its_own_name() -> None:
    assert set(DOCUMENT["channels"]) == {each.name for each in fields(Topics)}
    for role, channel in DOCUMENT["channels"].items():
        topic = getattr(TOPICS, role)
        kafka = channel["bindings"]["kafka"]
        assert channel["address"] == kafka["topic"] == topic.name
        assert kafka["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
        assert (kafka["partitions"], kafka["replicas"]) == (6, 3)
    assert DOCUMENT["channels"]["clicks"]["address"] == "shop.clicks"


def test_senders_are_those_of_the_topic_table() -> None:
    for role in DOCUMENT["channels"]:
        writers = {
            name.split(".")[0]
            for name, operation in DOCUMENT["operations"].items()
            if operation["action"] == "send" and operation["channel"]["$ref"] == f"#/channels/{role}"
        }
        written_by = getattr(TOPICS, role).written_by.replace("catalog load", "catalog")
        assert writers == ({"streams", "generator"} if written_by == "all" else set(written_by.split(", ")))


def test_every_topic_has_a_sender_and_every_message_a_key() -> None:
    sent = {each["channel"]["$ref"] for each in DOCUMENT["operations"].values() if each["action"] == "send"}
    assert sent == {f"#/channels/{role}" for role in DOCUMENT["channels"]}
    for message in DOCUMENT["components"]["messages"].values():
        assert message["bindings"]["kafka"]["key"]["type"] == "string"


def test_described_headers_are_those_that_are_sent() -> None:
    event = CloudEvent(id="1", type="x", source="/s", time=0, subject="y").headers()
    letter = DeadLetter.of(
        key=b"", value=b"x" * 10**6, topic="t", partition=0, offset=0, code="c", reason="r", now=0, part=1
    ).headers()
    for headers, name in ((event, "CloudEventHeaders"), (letter, "DeadLetterHeaders")):
        described = DOCUMENT["components"]["schemas"][name]
        assert {each for each, _ in headers} == set(described["properties"])
        jsonschema.Draft202012Validator(described).validate({each: value.decode() for each, value in headers})
