"""JSON codecs: one canonical encoding for hashes, one decoder whose errors name the field."""

from typing import TypeVar

import msgspec

from bannerstream.contracts.errors import MalformedRecord

_T = TypeVar("_T")
_canonical = msgspec.json.Encoder(order="sorted")
_encoder = msgspec.json.Encoder()


def canonical_json(message: object) -> bytes:
    """Return the one JSON encoding of a value: keys sorted, no white space, UTF-8 (RFC 8785 for our value types)."""
    return _canonical.encode(message)


def encode(message: msgspec.Struct) -> bytes:
    """Return a message's JSON bytes in field order."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[_T]) -> _T:
    """Return the message in `payload`.

    Raises:
        MalformedRecord: not JSON, a wrong type, a missing field or a value out of bounds; names the field's path.
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRecord(f"{kind.__name__}: {error}") from error
