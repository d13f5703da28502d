"""The AsyncAPI 3.0 document: every topic with its messages, its key, its headers, who sends and who receives."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Literal

from bannerstream.contracts import schema
from bannerstream.contracts.cloudevents import TYPE_PREFIX
from bannerstream.contracts.topics import Topic, Topics

_BINDING = "0.5.0"
_REF = "#/components/schemas/{name}"

_CARRIED = {
    "clicks": ("NativeEvent", "SegmentEvent", "Ga4Event"),
    "purchases": ("NativeEvent", "SegmentEvent", "Ga4Event"),
    "products": ("Product",),
    "cohorts": ("Cohort",),
    "requests": ("BannerRequest",),
    "assignments": ("Assignment",),
    "ready": ("BannerReady",),
    "refusals": ("Refusal",),
    "feedback": ("Feedback",),
    "erasures": ("Erasure",),
    "dead_letters": ("DeadLetter",),
}
"""The messages of each topic, by role."""

_SENDS = {
    "shop": ("clicks", "purchases", "products", "erasures"),
    "edge": ("clicks", "purchases", "feedback"),
    "catalog": ("products", "cohorts"),
    "streams": ("requests", "assignments", "dead_letters"),
    "generator": ("ready", "refusals", "dead_letters"),
}
_RECEIVES = {
    "streams": ("clicks", "purchases", "products", "cohorts", "refusals", "erasures"),
    "generator": ("requests", "refusals"),
    "edge": ("assignments", "ready", "products", "refusals"),
}

_FROM_OUTSIDE = frozenset({"NativeEvent", "SegmentEvent", "Ga4Event", "Erasure"})
"""Messages that the shop writes: headers are optional."""


def asyncapi_document(
    topics: Topics,
    servers: Sequence[str],
    *,
    secure: bool = False,
    partitions: int | None = None,
    replicas: int | None = None,
) -> dict[str, Any]:
    """Return the document of one deployment; `servers` are the brokers as `host:port`."""
    roles = {role: getattr(topics, role) for role in _CARRIED}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bannerstream",
            "version": version("bannerstream"),
            "description": "Clicks and purchases in, personal banners out.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            f"kafka-{number}": {"host": host, "protocol": "kafka-secure" if secure else "kafka"}
            for number, host in enumerate(servers, start=1)
        },
        "channels": {role: _channel(role, topic, partitions, replicas) for role, topic in roles.items()},
        "operations": {
            **{f"{who}.send.{role}": _operation("send", who, role) for who in _SENDS for role in _SENDS[who]},
            **{
                f"{who}.receive.{role}": _operation("receive", who, role)
                for who in _RECEIVES
                for role in _RECEIVES[who]
            },
        },
        "components": {
            "messages": {name: _message(name, topic) for role, topic in roles.items() for name in _CARRIED[role]},
            "schemas": _schemas(),
        },
    }


def _channel(role: str, topic: Topic, partitions: int | None, replicas: int | None) -> dict[str, Any]:
    kafka: dict[str, Any] = {
        "topic": topic.name,
        "topicConfiguration": {"cleanup.policy": [topic.cleanup]},
        "bindingVersion": _BINDING,
    }
    if partitions is not None:
        kafka["partitions"] = partitions
    if replicas is not None:
        kafka["replicas"] = replicas
    return {
        "address": topic.name,
        "description": f"Written by {topic.written_by}; carries {topic.carries}; keyed by {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _CARRIED[role]},
        "bindings": {"kafka": kafka},
    }


def _operation(action: Literal["send", "receive"], who: str, role: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{role}"},
        "messages": [{"$ref": f"#/channels/{role}/messages/{name}"} for name in _CARRIED[role]],
        "tags": [{"name": who}],
    }


def _message(name: str, topic: Topic) -> dict[str, Any]:
    key = {"type": "string", "description": f"The {topic.key}, UTF-8"}
    message: dict[str, Any] = {
        "name": name,
        "title": name,
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=name)},
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }
    if name == "DeadLetter":
        key["description"] = "The key of the record that could not be used, as it came"
        return message | {
            "contentType": "application/octet-stream",
            "headers": {"$ref": _REF.format(name="DeadLetterHeaders")},
        }
    return message if name in _FROM_OUTSIDE else message | {"headers": {"$ref": _REF.format(name="CloudEventHeaders")}}


def _schemas() -> dict[str, Any]:
    payloads = {name for names in _CARRIED.values() for name in names}
    ours = tuple(kind for kind in schema.MESSAGES if kind.__name__ in payloads)
    return {
        **schema.components(_REF, ours),
        **schema.foreign_schemas(),
        "DeadLetter": {"description": "The bytes of the record that could not be used, as they came."},
        "DeadLetterHeaders": _headers(
            "Where a record came from and why it could not be used; numbers in decimal digits.",
            required=_CLOUD_EVENT
            | {
                "dlq_topic": "Source topic",
                "dlq_partition": "Source partition",
                "dlq_offset": "Source offset",
                "dlq_code": "Stable name of the kind of error",
                "dlq_reason": "What is wrong and with which field",
                "dlq_failed_at": "Epoch milliseconds",
            },
            optional=_CLOUD_EVENT_OPTIONAL
            | {"dlq_part": "Which event of the source record, from 1, where that holds several"}
            | {"dlq_truncated_from": "Bytes of the original, when it was too long to keep whole"},
        ),
        "CloudEventHeaders": _headers(
            "CloudEvents 1.0, binary content mode (Kafka Protocol Binding 1.0.2).",
            required=_CLOUD_EVENT,
            optional=_CLOUD_EVENT_OPTIONAL,
        ),
    }


_CLOUD_EVENT = {
    "ce_specversion": "1.0",
    "ce_id": "With ce_source unique; a repeat keeps it",
    "ce_type": f"Begins with {TYPE_PREFIX}",
    "ce_source": "The service; of a dead letter, the topic that it came from",
    "ce_time": "RFC 3339",
}
_CLOUD_EVENT_OPTIONAL = {"ce_subject": "What the event is about", "content-type": "What the value is"}


def _headers(description: str, *, required: dict[str, str], optional: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": list(required),
        "properties": {name: {"type": "string", "description": text} for name, text in (required | optional).items()},
    }
