"""What `/docs` and `/openapi.json` contain beyond the routes: bodies, examples, errors."""

from typing import Any

import msgspec

from bannerstream.contracts.scalars import SizeName, UserKey
from bannerstream.edge.banner_facts import BannerFacts, Image
from bannerstream.edge.pictures import NAME
from bannerstream.edge.report_records import PageEvent, PageFeedback
from bannerstream.settings import Settings

TITLE = "Bannerstream edge"
DESCRIPTION = (
    "Visitors' banners, live. A token identifies the visitor: a JWT whose `sub` is the shop's id of the visitor, in "
    "`Authorization: Bearer`, in the cookie `bs_visitor`, or, for GET, in `?token=`."
)

Responses = dict[int | str, dict[str, Any]]
"""FastAPI's `responses`, by status."""

_PARAMETERS: dict[str, dict[str, Any]] = {
    "user_key": msgspec.json.schema(UserKey),
    "size": msgspec.json.schema(SizeName),
    "name": {"type": "string", "pattern": f"^{NAME.pattern}$(?!\\n)", "description": "SHA-256 and extension"},
}
"""The schemas of path parameters. Another value is 404, as every path that does not exist."""

_REF = "#/components/schemas/{name}"

_KEY = "9c1d0b6f27e84a55b3f0c2d1e4a59687"
_SHA = "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855a"
_FACTS = {
    "banner_key": "5f" * 32,
    "revision": 1,
    "product_id": "mug-3",
    "cohort": "home-cooks",
    "variant": "a",
    "tier": "studio",
    "link": "https://shop.example/p/mug-3",
    "alt": "Slow mornings – Stoneware mug",
    "headline": "Slow mornings",
    "images": [
        {
            "size": "970x250",
            "width": 970,
            "height": 250,
            "url": f"/b/{_SHA}.webp",
            "media_type": "image/webp",
            "bytes": 41_230,
        }
    ],
    "srcset": {"970x250": f"/b/{_SHA}.webp 970w"},
}
_POINTER_EXAMPLE = {"epoch": 7, "pointer": f"/v1/pointers/{_KEY}", **_FACTS}
_BANNER_EXAMPLE = {"epoch": 7, "pointer": f"/v1/pointers/{_KEY}", "feedback": "q1w2…", **_FACTS}


def _error(code: str, message: str) -> dict[str, Any]:
    example = {"error": code, "message": message}
    return {
        "description": message,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}, "example": example}},
    }


_TOKEN: Responses = {401: _error("token", "the token has expired")}
_PATH: Responses = {422: _error("invalid", "the path holds control characters")}
_OTHERS: Responses = {
    421: _error("misdirected", "this visitor belongs to shard 1/2"),
    429: _error("too_many", "too many requests from this visitor"),
}
_KAFKA: Responses = {503: _error("overloaded", "Kafka does not answer")}
_BODIES: Responses = {413: _error("too_large", "the body has 70000 bytes; at most 65536 are accepted")}


def _json(description: str, schema: dict[str, Any], example: object) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


_BANNER = {"$ref": _REF.format(name="Banner")}

BANNER: Responses = {
    200: _json("The visitor's banner; a missing banner is never an error", _BANNER, _BANNER_EXAMPLE),
    **_TOKEN,
    **_OTHERS,
}
STREAM: Responses = {
    200: {
        "description": "Server-sent events `banner` and `erased`; a comment every `edge.ping_s`",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": "event: banner\nid: 7\ndata: {…}"}},
    },
    **_TOKEN,
    **_OTHERS,
    503: _error("overloaded", "too many live streams"),
}
POINTER: Responses = {
    200: _json("The visitor's banner, cacheable by a CDN", _BANNER, _POINTER_EXAMPLE),
    404: _error("not_found", "this is not a user key"),
    **_PATH,
    **_OTHERS,
}
PICTURE_POINTER: Responses = {
    200: {"description": "Never sent: the response redirects"},
    302: {"description": "The location of the picture"},
    404: _error("not_found", "this banner has no picture of 10x10"),
    **_PATH,
    **_OTHERS,
}
VISITOR: Responses = {
    200: _json(
        "Whether this node holds an assignment of the visitor, and the visitor's open streams",
        {"type": "object", "properties": {"held": {"type": "boolean"}, "streams": {"type": "integer"}}},
        {"held": False, "streams": 0},
    ),
    404: _error("not_found", "this is not a user key"),
    **_PATH,
    **_OTHERS,
}
PICTURE: Responses = {
    200: {"description": "The picture", "content": {"image/webp": {}, "image/jpeg": {}, "image/svg+xml": {}}},
    206: {"description": "A range of the picture"},
    302: {"description": "The picture's location at the CDN"},
    304: {"description": "The browser's copy is current"},
    404: _error("not_found", "there is no such picture"),
    **_PATH,
    429: _OTHERS[429],
    503: _error("overloaded", "the store does not answer"),
    416: {"description": "The range lies outside of the picture"},
}
EVENTS: Responses = {
    202: _json("Kafka has acknowledged the events", {"type": "object"}, {"accepted": 1, "event_ids": ["e-1"]}),
    **_TOKEN,
    **_BODIES,
    403: _error("page_purchase", "pages may not report purchases here"),
    422: _error("invalid", "Object missing required field `type` - at `$[0]`"),
    **_OTHERS,
    **_KAFKA,
}
FEEDBACK: Responses = {
    202: _json(
        "Kafka has acknowledged the feedback",
        {"type": "object"},
        {"accepted": 1, "event_id": "6a09e667f3bcc908b2fb1366ea957d3e"},
    ),
    403: _error("not_allowed", "the feedback token is not ours"),
    409: _error("replayed", "this feedback was given before"),
    **_BODIES,
    422: _error("invalid", "Invalid enum value 'seen' - at `$.kind`"),
    429: _OTHERS[429],
    **_KAFKA,
}


def _body(schema: dict[str, Any], examples: dict[str, object]) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": named}}
    return {"requestBody": {"required": True, "content": content}}


_EVENT = {"$ref": _REF.format(name="PageEvent")}
EVENTS_BODY = _body(
    {"anyOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1}]},
    {
        "one": {"type": "click", "product_id": "mug-3", "event_id": "e-1"},
        "several": [
            {"type": "view", "product_id": "mug-3"},
            {"type": "purchase", "product_ids": ["mug-3", "kettle-1"], "time": "2026-01-31T12:00:00Z"},
        ],
    },
)
FEEDBACK_BODY = _body(
    {"$ref": _REF.format(name="PageFeedback")},
    {"impression": {"token": "q1w2…", "kind": "impression", "size": "970x250", "click_to_visible_ms": 412}},
)


def _page_event(schema: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the schema of an event with what its fields demand of each other, and the limits that are settings."""
    properties = schema["properties"]
    one_product = {"required": ["product_id"], "properties": {"product_id": {"type": "string"}}}
    several = {"required": ["product_ids"], "properties": {"product_ids": {"type": "array"}}}
    both_times = {
        "required": ["time", "age_ms"],
        "properties": {"time": {"type": ["number", "string"]}, "age_ms": {"type": "number"}},
    }
    _schema_of(properties["time"], "string")["format"] = "date-time"
    _schema_of(properties["age_ms"], "number")["maximum"] = round(settings.input.max_age_days * 86_400_000)
    ids = _schema_of(properties["product_ids"], "array")
    ids["maxItems"] = min(ids["maxItems"], settings.input.max_products)
    return {**schema, "oneOf": [one_product, several], "not": both_times}


def _schema_of(field: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the alternative of a field's schema that has this type."""
    return next(each for each in field["anyOf"] if each.get("type") == kind)


def with_schemas(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return FastAPI's document with our schemas and security schemes."""
    _, ours = msgspec.json.schema_components((BannerFacts, Image, PageEvent, PageFeedback), ref_template=_REF)
    facts = ours.pop("BannerFacts")
    ours["PageEvent"] = _page_event(ours["PageEvent"], settings)
    ours["Banner"] = {
        "title": "Banner",
        "type": "object",
        "description": "A visitor's banner. `epoch` 0: a default, because the visitor has no banner of their own yet.",
        "required": ["epoch", "pointer", *facts["required"]],
        "properties": {
            "epoch": {"type": "integer", "minimum": 0, "description": "Grows with every decision for the visitor"},
            "pointer": {"type": ["string", "null"], "description": "Path of the cacheable copy; null without a token"},
            "feedback": {
                "type": ["string", "null"],
                "description": "The token for `/v1/feedback`; empty or null for the built-in default. Not in pointers.",
            },
            **facts["properties"],
        },
    }
    ours["Error"] = {
        "title": "Error",
        "type": "object",
        "required": ["error", "message"],
        "properties": {
            "error": {"type": "string", "description": "Stable code of the reason"},
            "message": {"type": "string", "description": "Human-readable description"},
        },
    }
    components = document.setdefault("components", {})
    components["schemas"] = ours  # FastAPI's own describe errors that are never sent
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "bs_visitor"},
        "query": {"type": "apiKey", "in": "query", "name": "token"},
    }
    anonymous: list[dict[str, list[str]]] = [{}]
    header_or_cookie: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
    for path, security in (
        ("/v1/banner", [*anonymous, *header_or_cookie, {"query": []}]),
        ("/v1/stream", [*header_or_cookie, {"query": []}]),
        ("/v1/events", header_or_cookie),
    ):
        for operation in document["paths"][path].values():
            operation["security"] = security
    batch = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"][1]
    batch["maxItems"] = settings.edge.max_batch
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _PARAMETERS[parameter["name"]]
    return document
