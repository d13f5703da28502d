"""What is counted of one variant: how often it was seen and clicked. The value in the table and its changelog."""

from typing import Self

import msgspec
from msgspec import Struct
from xxhash import xxh3_64_digest

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.messages import Feedback

TALLY_VERSION = 1
"""First byte of a packed tally. Raise it when a field changes its place or meaning."""

FINGERPRINT_BYTES = 8
REMEMBERED = 64
"""Feedback ids a tally contains_fingerprint, 512 bytes: an edge node refuses what it has seen, so what comes twice comes from two
nodes, or from a producer's retry, within moments."""

_SEPARATOR = "\x1f"
"""Between the parts of a key: no id may contain a control character."""


class TallyKey(Struct, frozen=True, order=True):
    """What is told apart: one product for one cohort in one variant."""

    cohort_id: str
    variant: str
    product_id: str

    @property
    def key(self) -> bytes:
        """Return it as the key of a table."""
        return _SEPARATOR.join((self.cohort_id, self.variant, self.product_id)).encode()

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Return the place that a key names.

        Raises:
            MalformedRecord: the key is none of ours.
        """
        parts = key.decode(errors="replace").split(_SEPARATOR)
        if len(parts) != 3:
            raise MalformedRecord(f"a tally under the key {key[:80]!r}: not cohort, variant and product")
        return cls(*parts)


class Tally(Struct, array_like=True, gc=False):
    """Counts of one place in one partition. Belongs to whoever unpacked it: `count` changes it in place."""

    impressions: int = 0
    clicks: int = 0
    offset: int = -1
    """Last counted offset of the feedback topic: what lies at or below it was counted."""
    recent: bytes = b""
    """Hashes of the last feedback ids, `FINGERPRINT_BYTES` each, the latest last."""


def count(tally: Tally, feedback: Feedback, offset: int) -> bool:
    """Count the feedback at `offset`; return False for a replay and for an id that was counted lately.

    A click without an impression counts as seen, too: the report of the impression was lost, or is still on its way.
    Clicks never outnumber impressions, so that a rate stays one.
    """
    if offset <= tally.offset:
        return False
    tally.offset = offset
    fingerprint = xxh3_64_digest(feedback.event_id.encode())
    places = range(0, len(tally.recent), FINGERPRINT_BYTES)
    if any(tally.recent.startswith(fingerprint, at) for at in places):
        return False
    tally.recent = (tally.recent + fingerprint)[-REMEMBERED * FINGERPRINT_BYTES :]
    if feedback.kind == "impression":
        tally.impressions += 1
    else:
        tally.clicks += 1
    return True


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Tally).decode
_PREFIX = bytes([TALLY_VERSION])


def pack(tally: Tally) -> bytes:
    """Return the tally's bytes: the version, then MessagePack without field names."""
    return _PREFIX + _encode(tally)


def unpack(packed: bytes) -> Tally:
    """Return the tally in `packed`.

    Raises:
        MalformedRecord: another version wrote it, or it is damaged.
    """
    if packed[:1] != _PREFIX:
        raise MalformedRecord(f"a tally of version {packed[0] if packed else 'none'}; this reads {TALLY_VERSION}")
    try:
        return _decode(packed[1:])
    except msgspec.DecodeError as error:
        raise MalformedRecord(f"a tally that cannot be read: {error}") from error
