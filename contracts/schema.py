"""JSON Schema (2020-12) of every message, for shops and services that are not written in Python.

Ours are generated from the structs that decode them. The foreign formats are decoded in steps (first what kind of
event, then the fields that matter), so their schemas are written out here, and tests hold them against the decoders.
"""

import inspect
from typing import Any

import msgspec

from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.inputs import ga4, segment
from bannerstream.contracts.inputs.lines import ABSENT
from bannerstream.contracts.inputs.native import NativeEvent
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import Assignment, BannerReady, BannerRequest, Erasure, Feedback, Refusal
from bannerstream.contracts.scalars import UNSEEN

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MESSAGES: tuple[type[msgspec.Struct], ...] = (
    NativeEvent,
    Product,
    Cohort,
    BannerRequest,
    Assignment,
    BannerReady,
    Refusal,
    Feedback,
    Erasure,
    Manifest,
)


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return one self-contained schema per message, by the message's name."""
    schemas = {}
    for kind in MESSAGES:
        parts = components("#/$defs/{name}", (kind,))
        schemas[kind.__name__] = {"$schema": DIALECT, **parts.pop(kind.__name__), **({"$defs": parts} if parts else {})}
    return schemas | {name: {"$schema": DIALECT, **schema} for name, schema in foreign_schemas().items()}


def components(ref_template: str, kinds: tuple[type[msgspec.Struct], ...] = MESSAGES) -> dict[str, Any]:
    """Return the schemas of `kinds` and of all that they are made of, each referring to others by `ref_template`."""
    _, parts = msgspec.json.schema_components(kinds, ref_template=ref_template)
    for part in parts.values():
        if "description" in part:
            part["description"] = inspect.cleandoc(part["description"])
    if NativeEvent.__name__ in parts:
        parts[NativeEvent.__name__]["oneOf"] = [{"required": ["product_id"]}, {"required": ["product_ids"]}]
    return parts


def foreign_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of Segment and GA4 events; other fields are allowed and ignored."""
    return {"SegmentEvent": _segment_event(), "Ga4Event": _ga4_event()}


_VISIBLE = rf"^[^{UNSEEN}]*$(?!\n)"
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_PRODUCT_ID = {
    "description": "The shop's product id; a number is read as its digits",
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 128, "pattern": _VISIBLE},
        _NUMBER,
    ],
}
_USER = {"anyOf": [{"type": "string", "maxLength": 256, "pattern": _VISIBLE}, _NUMBER, {"type": "null"}]}
_GIVEN = {"type": ["string", "integer"], "minLength": 1}


def _products_of(id_name: str) -> dict[str, Any]:
    """Return the schema of an order's lines: one names a product at least, others may be gift wrap or a tip."""
    absent = {"enum": [None, *ABSENT]}
    line = {"type": "object", "properties": {id_name: {"anyOf": [_PRODUCT_ID, absent]}}}
    named = {"required": [id_name], "properties": {id_name: _PRODUCT_ID}}
    return {"type": "array", "minItems": 1, "items": line, "contains": named}


def _segment_event() -> dict[str, Any]:
    time = {"type": ["string", "null"], "maxLength": 40, "description": "RFC 3339 with its time zone"}
    return {
        "title": "SegmentEvent",
        "description": "A track call of Segment's e-commerce spec, version 2.",
        "type": "object",
        "required": ["type", "event", "messageId", "properties"],
        "properties": {
            "type": {"const": "track"},
            "event": {"enum": list(segment.KINDS)},
            "messageId": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": _VISIBLE},
            "userId": _USER,
            "anonymousId": {**_USER, "description": "The visitor while nobody is logged in"},
            "timestamp": time,
            "originalTimestamp": time,
            "receivedAt": time,
            "properties": {"type": "object"},
        },
        "allOf": [
            _one_given("userId", "anonymousId"),
            _one_given("timestamp", "originalTimestamp", "receivedAt"),
            {
                "if": {"properties": {"event": {"const": "Order Completed"}}},
                "then": _properties(products=_products_of("product_id")),
                "else": _properties(product_id=_PRODUCT_ID),
            },
        ],
    }


def _ga4_event() -> dict[str, Any]:
    micros = {
        "description": "Epoch microseconds",
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 253_402_300_799_999_999},
            {"type": "string", "pattern": r"^[0-9]{1,18}$(?!\n)"},
            {"type": "null"},
        ],
    }
    items = _products_of("item_id")
    ours = {"properties": {"name": {"enum": list(ga4.KINDS)}}}
    hit = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "timestamp_micros": micros},
        "if": ours,
        "then": {
            "required": ["params"],
            "properties": {"params": {"type": "object", "required": ["items"], "properties": {"items": items}}},
        },
    }
    users = ("user_id", "client_id", "app_instance_id", "user_pseudo_id")
    return {
        "title": "Ga4Event",
        "description": "A Measurement Protocol body (`events`), or an exported row.",
        "type": "object",
        "properties": dict.fromkeys(users, _USER) | {"timestamp_micros": micros, "event_timestamp": micros},
        "allOf": [_one_given(*users)],
        "anyOf": [
            {
                "required": ["events"],
                "properties": {"events": {"type": "array", "items": hit, "contains": {"required": ["name"], **ours}}},
            },
            {
                "required": ["event_name", "items"],
                "properties": {"event_name": {"enum": list(ga4.KINDS)}, "items": items, "events": {"type": "null"}},
            },
        ],
    }


def _one_given(*names: str) -> dict[str, Any]:
    return {"anyOf": [{"required": [name], "properties": {name: _GIVEN}} for name in names]}


def _properties(**fields: Any) -> dict[str, Any]:
    return {"properties": {"properties": {"required": list(fields), "properties": fields}}}
