"""The impressions and clicks of one variant: the value in the table and its changelog."""

from typing import Self

import msgspec
from msgspec import Struct
from xxhash import xxh3_64_digest

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.messages import Feedback

TALLY_VERSION = 1
"""First byte of a packed tally. Increase it when a field changes position or meaning."""

FINGERPRINT_BYTES = 8
REMEMBERED = 64
"""Feedback ids that a tally remembers, 512 bytes. An edge node rejects repeats, so the same id comes twice only from
two nodes, or from a producer's retry, within moments."""

_SEPARATOR = "\x1f"
"""Separates the parts of a key; ids cannot contain control characters."""


class TallyKey(Struct, frozen=True, order=True):
    """The key of a tally: one product for one cohort in one variant."""

    cohort_id: str
    variant: str
    product_id: str

    @property
    def key(self) -> bytes:
        """Return the key's bytes in the table."""
        return _SEPARATOR.join((self.cohort_id, self.variant, self.product_id)).encode()

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Parse a key of the table.

        Raises:
            MalformedRecord: the key does not have three parts.
        """
        parts = key.decode(errors="replace").split(_SEPARATOR)
        if len(parts) != 3:
            raise MalformedRecord(f"the key of a tally must be cohort, variant and product, not {key[:80]!r}")
        return cls(*parts)


class Tally(Struct, array_like=True, gc=False):
    """Counts of one key in one partition. `count` changes it in place."""

    impressions: int = 0
    clicks: int = 0
    offset: int = -1
    """Last counted offset of the feedback topic; records up to it are counted."""
    recent: bytes = b""
    """Fingerprints of the last feedback ids, `FINGERPRINT_BYTES` each, latest last."""


def count(tally: Tally, feedback: Feedback, offset: int) -> bool:
    """Count the feedback at `offset`; return False for a replay and for a recently counted id.

    Clicks may outnumber impressions for a while, when the report of an impression is late or lost; readers raise the
    impressions to the clicks.
    """
    if offset <= tally.offset:
        return False
    tally.offset = offset
    fingerprint = xxh3_64_digest(feedback.event_id.encode())
    starts = range(0, len(tally.recent), FINGERPRINT_BYTES)
    if any(tally.recent.startswith(fingerprint, start) for start in starts):
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
        MalformedRecord: another version wrote it, or it cannot be decoded.
    """
    if packed[:1] != _PREFIX:
        raise MalformedRecord(
            f"a tally has version {packed[0] if packed else 'none'}; this Bannerstream reads {TALLY_VERSION}"
        )
    try:
        return _decode(packed[1:])
    except msgspec.DecodeError as error:
        raise MalformedRecord(f"a tally cannot be decoded: {error}") from error
