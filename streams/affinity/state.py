"""The state of one visitor, and its packed form: the value in the table and in its changelog."""

from typing import Self

import msgspec
from msgspec import Struct

from bannerstream.streams.affinity import version1
from bannerstream.streams.errors import BrokenState, UnknownStateVersion

STATE_VERSION = 2
"""First byte of a packed state. Version 3 is that of rows (`streams.columnar.layout`). `version1` shows how to keep
reading an earlier version."""

ONLY_VARIANT = "a"
"""The variant when no experiment runs."""

FINGERPRINT_BYTES = 8
"""Bytes of a hash that identifies an event in `recent`, or a banner key in a decision."""


class Decision(Struct, frozen=True, array_like=True, gc=False):
    """The banner that a visitor should see."""

    product_id: str
    cohort_id: str
    banner_fingerprint: int
    """The first 64 bits of the banner key. Product and cohort name the banner; this only detects changed facts, in a
    quarter of the key's bytes."""
    decided_ms: int
    """Event time, in milliseconds since the landmark."""
    variant: str = ONLY_VARIANT
    """The banner's design (`contracts.variants`). Last, with a default, because older states lack it."""


class UserState(Struct, array_like=True, gc=False):
    """Everything remembered about one visitor. `fold` changes it in place.

    All times except the landmark are milliseconds since the landmark, which halves their size. The fields for the scan
    for idle visitors come first (`seen_at_ms_of`). Not tracked by the garbage collector: it cannot hold cycles.
    """

    half_life_ms: int
    """The half-life under which the scores were summed."""
    landmark_ms: int = 0
    """Epoch milliseconds; see `streams.affinity.scores`. 0 before the first event."""
    seen_ms: int = 0
    """The time of the latest event: this visitor's "now"."""
    epoch: int = 0
    """Number of decisions taken, and the number of the current one."""
    decision: Decision | None = None
    """None before the first decision, and while the catalogue has nothing to show."""
    offsets: dict[str, int] = {}
    """Last applied offset per source topic. A visitor belongs to one partition, so the topic is enough."""
    scores: dict[str, float] = {}
    """Forward-decayed score per cohort."""
    touched: dict[str, int] = {}
    """Products with the time of their last touch, ordered by time, then by id."""
    purchased: dict[str, int] = {}
    """Bought products, each with the time until which it is not shown."""
    recent: bytes = b""
    """Fingerprints of the last events, `FINGERPRINT_BYTES` each, latest last."""
    locale: str = ""
    """Reserved: the visitor's own language, or "" if it is not known. Releases before 0.3 pass over it."""
    transfers: bytes = b""
    """Reserved: fingerprints of the states of strangers that were added to this one. Passed over, too."""

    @property
    def seen_at_ms(self) -> int:
        """Return the latest event time, epoch milliseconds."""
        return self.landmark_ms + self.seen_ms

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(
            self.half_life_ms,
            self.landmark_ms,
            self.seen_ms,
            self.epoch,
            self.decision,
            self.offsets.copy(),
            self.scores.copy(),
            self.touched.copy(),
            self.purchased.copy(),
            self.recent,
            self.locale,
            self.transfers,
        )


class _Head(Struct, array_like=True):
    """The first fields of a packed state; skipping MessagePack is faster than decoding it into objects."""

    half_life_ms: int
    landmark_ms: int
    seen_ms: int


class _Decided(_Head, array_like=True):
    """The same, up to the decision."""

    epoch: int
    decision: Decision | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UserState).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_decided = msgspec.msgpack.Decoder(_Decided).decode
_PREFIX = bytes([STATE_VERSION])
_PREFIX_OF_TEN = _PREFIX + b"\x9a"
"""The version, and the MessagePack header of an array of ten."""
_RESERVED = -len(b"\xa0" + b"\xc4\x00")
"""Where the reserved fields begin when they are empty."""
_PREFIX_1 = bytes([version1.STATE_VERSION])


def pack(state: UserState) -> bytes:
    """Return the state's bytes: the version, then MessagePack without field names.

    Without the reserved fields while they are empty: these are then the bytes of releases before 0.3.
    """
    encoded = _encode(state)
    if state.locale or state.transfers:
        return _PREFIX + encoded
    return _PREFIX_OF_TEN + encoded[1:_RESERVED]


def unpack(packed: bytes) -> UserState:
    """Return the state in `packed`; one of the previous version is converted.

    Raises:
        UnknownStateVersion: another version of Bannerstream wrote it.
        BrokenState: it has this version or the previous one, but cannot be decoded.
    """
    version = packed[:1]
    try:
        if version == _PREFIX:
            return _decode(packed[1:])
        if version == _PREFIX_1:
            return _converted(version1.unpack(packed[1:]))
    except (msgspec.DecodeError, ArithmeticError) as error:
        raise _broken(error) from error
    raise _unknown(packed)


def seen_at_ms_of(packed: bytes) -> int:
    """Return the latest event time (epoch milliseconds) of a packed state, at a fifth of the cost of unpacking it.

    Raises:
        UnknownStateVersion, BrokenState: see `unpack`.
    """
    version = packed[:1]
    try:
        if version == _PREFIX:
            head = _decode_head(packed[1:])
            return head.landmark_ms + head.seen_ms
        if version == _PREFIX_1:
            return version1.unpack(packed[1:]).seen_at_ms
    except msgspec.DecodeError as error:
        raise _broken(error) from error
    raise _unknown(packed)


def decision_of(packed: bytes) -> Decision | None:
    """Return the decision of a packed state, at half the cost of unpacking it; None if it has another version."""
    if packed[:1] != _PREFIX:
        return None
    try:
        return _decode_decided(packed[1:]).decision
    except msgspec.DecodeError:
        return None  # its visitor's next event reports it


def _converted(old: version1.UserState) -> UserState:
    """Convert a state of version 1; its landmark becomes the latest event."""
    landmark = old.seen_at_ms
    decision = old.decision
    touched: dict[str, int] = {}
    for affinity in old.cohorts.values():
        for product_id, touched_ms in affinity.touched.items():
            since = touched_ms - landmark
            touched[product_id] = max(since, touched.get(product_id, since))
    return UserState(
        half_life_ms=old.half_life_ms,
        landmark_ms=landmark,
        epoch=old.epoch,
        decision=None
        if decision is None
        else Decision(
            decision.product_id,
            decision.cohort_id,
            int(decision.banner_key[: 2 * FINGERPRINT_BYTES], 16),
            decision.decided_at - landmark,
        ),
        offsets=old.offsets,
        scores=version1.scores_as_of(landmark, old),
        touched=dict(sorted(touched.items(), key=lambda touch: (touch[1], touch[0]))),
        purchased={product_id: until - landmark for product_id, until in old.purchased.items()},
    )


def _broken(error: Exception) -> BrokenState:
    return BrokenState(f"the visitor's state in the changelog cannot be read: {error}")


def _unknown(packed: bytes) -> UnknownStateVersion:
    return UnknownStateVersion(
        f"a state of version {packed[0] if packed else 'none'} in the changelog; this Bannerstream reads versions "
        f"{version1.STATE_VERSION} to {STATE_VERSION + 1}. Run the version that wrote it, or set another "
        "streams.app_id to start with empty tables"
    )
