"""Bytes of a record to the JSON object that they hold, forgiving where nobody reads.

Shops send byte order marks, frames of a Schema Registry, text that was cut within a character, and keys that stand
twice. None of these costs an event as long as the fields that are read are sound. So broken text becomes U+FFFD, which
no id may hold, and a doubled key becomes `Doubled`, which is refused where it is read: two readers could take such an
object for two different events (RFC 8259 §4).
"""

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.inputs.refusals import shown

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FRAME_BYTES = 5
"""Confluent's wire format begins with a zero and the schema's id in four bytes."""
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Doubled:
    """The value of a key that stands twice in its object."""


DOUBLED = Doubled()


class DoubledKey(ValueError):
    """A key that stands twice was read."""


class _AmbiguousObject(dict[str, Any]):
    """An object with a key that stands twice: reading that key, or all values, raises an error."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value is DOUBLED:
            raise DoubledKey(twice(key))
        return value

    def values(self) -> Any:
        for key, value in self.items():
            if value is DOUBLED:
                raise DoubledKey(twice(key))
        return super().values()


def twice(key: str) -> str:
    """Return the words for a key that stands twice."""
    return f"the key `{key[:80]}` stands twice in one object: write it once"


def parse_object(payload: bytes) -> dict[str, Any]:
    """Return the JSON object that `payload` holds.

    Raises:
        MalformedRecord: it does not hold one JSON object in UTF-8; says what it holds instead.
    """
    body, inside = _unframed(payload)
    try:
        tree = msgspec.json.decode(body)
        if not _holds_each_key_once(tree, body):
            tree = _parse_leniently(body, inside)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        tree = _parse_leniently(body, inside)
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, str) and tree.lstrip()[:1] in {"{", "["}:
        raise MalformedRecord(
            "the record is JSON inside a string: the producer encoded it twice; write the object itself - at `$`"
        )
    if isinstance(tree, list):
        raise MalformedRecord(
            "the record is a list: write each event in a record of its own, as one JSON object - at `$`"
        )
    raise MalformedRecord(f"the record is {shown(tree)}: write one JSON object - at `$`")


def _unframed(payload: bytes) -> tuple[bytes, str]:
    """Return the bytes of the JSON, and where it stood if not alone."""
    inside = ""
    if payload[0] == 0 and len(payload) > _FRAME_BYTES:
        schema = int.from_bytes(payload[1:_FRAME_BYTES])
        payload = payload[_FRAME_BYTES:]
        inside = f", inside the Schema Registry frame of schema {schema}"
        if payload.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] not in {b"{", b"[", b'"'}:
            raise MalformedRecord(
                f"the record is a Schema Registry frame (schema {schema}) around Avro or Protobuf, which are not read: "
                "write JSON, with or without the frame - at `$`"
            )
    if payload.startswith(_UTF_16):
        raise MalformedRecord("the record begins with a byte order mark of UTF-16: write JSON in UTF-8 - at `$`")
    if payload.startswith(_GZIP):
        raise MalformedRecord(
            "the record is compressed with gzip: write JSON, and let Kafka's producer compress - at `$`"
        )
    return payload.removeprefix(_BYTE_ORDER_MARK), inside


def _holds_each_key_once(tree: object, body: bytes) -> bool:
    """Check in 0.5 µs what a second parse checks in 4: a key that stands twice was dropped, and its colon with it.

    Exact where nothing is escaped: then every other colon stands in a text, and texts are written as they came.
    """
    return b"\\" not in body and msgspec.json.encode(tree).count(b":") == body.count(b":")


def _parse_leniently(body: bytes, inside: str) -> Any:
    text = body.decode(errors="replace")
    try:
        tree = _lenient.decode(text)
        return _without_surrogates(tree) if "\\u" in text else tree
    except json.JSONDecodeError as error:
        raise MalformedRecord(f"{_not_json(text, error.pos)}{inside} - at `$`") from error
    except ValueError as error:  # of the hooks below, and numbers of more digits than Python reads
        reason = str(error) if "limit" not in str(error) else "a number has more than 4,300 digits: write it as text"
        raise MalformedRecord(f"the record is not JSON: {reason}{inside} - at `$`") from error
    except RecursionError as error:
        raise MalformedRecord(f"the record is nested too deeply: write one flat object{inside} - at `$`") from error


def _not_json(text: str, position: int) -> str:
    if position >= len(text.rstrip()):
        return "the record ends in the middle of its JSON: it was cut off; write one whole JSON object"
    found = shown(text[position : position + 40])
    if not text[:position].strip():
        return f"the record is not JSON: it begins with {found}; write one JSON object"
    if text[:position].rstrip().endswith("}") and text.lstrip().startswith("{") and _is_whole(text[:position]):
        return f"after the record's JSON object comes {found}: write one object a record"
    return f"the record is not JSON from {found} on (character {position + 1}): write one JSON object"


def _is_whole(text: str) -> bool:
    try:
        _lenient.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            members[key] = DOUBLED
        seen.add(key)
    return _AmbiguousObject(members)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows; write null, or leave the field out")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:40]} is larger than any reader takes; write a smaller one")
    return number


_lenient = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite, strict=False
)


def _without_surrogates(value: Any) -> Any:
    """Return `value` with U+FFFD for each half of a character that an escape left behind."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(member) for member in value]
    if isinstance(value, dict):
        return type(value)((_without_surrogates(key), _without_surrogates(inner)) for key, inner in value.items())
    return value
