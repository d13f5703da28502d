"""What is remembered of one visitor, and its packed form: the value in the table and in its changelog."""

from typing import Self

import msgspec
from msgspec import Struct

from bannerstream.streams.affinity import version1
from bannerstream.streams.errors import BrokenState, UnknownStateVersion

STATE_VERSION = 2
"""First byte of a packed state. Raise it when a field changes its place or meaning; `version1` shows how to go on
reading the older one."""

ONLY_VARIANT = "a"
"""The variant where no experiment runs (DESIGN.md §4)."""

FINGERPRINT_BYTES = 8
"""Of a hash that stands for an event id in `recent`, or for a banner key in a decision."""


class Decision(Struct, frozen=True, array_like=True, gc=False):
    """The banner that a visitor should see."""

    product_id: str
    cohort_id: str
    banner_fingerprint: int
    """The first 64 bits of the banner key. Product and cohort name the banner; this only tells when its facts changed,
    at a quarter of the key's bytes."""
    decided: int
    """Event time, in milliseconds since the landmark."""
    variant: str = ONLY_VARIANT
    """What the banner is drawn as (`contracts.creative`). Last and with a default: older states lack it."""


class UserState(Struct, array_like=True, gc=False):
    """Everything that is remembered of one visitor. Belongs to whoever unpacked it: `fold` changes it in place.

    Times but the landmark are milliseconds since the landmark, which takes half the bytes. What a scan for idle
    visitors needs comes first (`seen_at_of`). Not watched by the garbage collector: nothing here can refer back.
    """

    half_life_ms: int
    """The half-life under which the scores were summed."""
    landmark: int = 0
    """Epoch milliseconds; see `streams.affinity.scores`. 0 before the first event."""
    seen: int = 0
    """The latest event: what "now" means for this visitor."""
    epoch: int = 0
    """How many decisions were taken; the current one carries this number."""
    decision: Decision | None = None
    """None before the first decision, and while nothing in the catalogue can be shown."""
    offsets: dict[str, int] = {}
    """Last applied offset per source topic. A visitor lives in one partition, so the topic is enough."""
    scores: dict[str, float] = {}
    """Forward-decayed score per cohort."""
    touched: dict[str, int] = {}
    """Products and the time of their last touch, in the order of these times, of equal times the lesser id first."""
    purchased: dict[str, int] = {}
    """Bought products, each with the time until which it is not advertised."""
    recent: bytes = b""
    """Hashes of the last events' ids, `FINGERPRINT_BYTES` each, the latest last."""

    @property
    def seen_at(self) -> int:
        """Return the latest event time, epoch milliseconds."""
        return self.landmark + self.seen

    def copy(self) -> Self:
        """Return a state that can be changed without changing this one."""
        return type(self)(
            self.half_life_ms,
            self.landmark,
            self.seen,
            self.epoch,
            self.decision,
            self.offsets.copy(),
            self.scores.copy(),
            self.touched.copy(),
            self.purchased.copy(),
            self.recent,
        )


class _Head(Struct, array_like=True):
    """The first fields of a packed state; MessagePack is skipped over faster than it is made into objects."""

    half_life_ms: int
    landmark: int
    seen: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UserState).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_PREFIX = bytes([STATE_VERSION])
_PREFIX_1 = bytes([version1.STATE_VERSION])


def pack(state: UserState) -> bytes:
    """Return the state's bytes: the version, then MessagePack without field names."""
    return _PREFIX + _encode(state)


def unpack(packed: bytes) -> UserState:
    """Return the state in `packed`; one of the previous version is converted.

    Raises:
        UnknownStateVersion: another version of Bannerstream wrote it.
        BrokenState: it is of this version or the previous one, but damaged.
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


def seen_at_of(packed: bytes) -> int:
    """Return the latest event time (epoch milliseconds) of a packed state, for a fifth of what unpacking it costs.

    Raises:
        UnknownStateVersion, BrokenState: see `unpack`.
    """
    version = packed[:1]
    try:
        if version == _PREFIX:
            head = _decode_head(packed[1:])
            return head.landmark + head.seen
        if version == _PREFIX_1:
            return version1.unpack(packed[1:]).seen_at
    except msgspec.DecodeError as error:
        raise _broken(error) from error
    raise _unknown(packed)


def _converted(old: version1.UserState) -> UserState:
    """Return what a state of version 1 means, its landmark at the latest event."""
    landmark = old.seen_at
    decision = old.decision
    touched: dict[str, int] = {}
    for affinity in old.cohorts.values():
        for product_id, at in affinity.touched.items():
            touched[product_id] = max(at - landmark, touched.get(product_id, at - landmark))
    return UserState(
        half_life_ms=old.half_life_ms,
        landmark=landmark,
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
        touched=dict(sorted(touched.items(), key=lambda each: (each[1], each[0]))),
        purchased={product_id: until - landmark for product_id, until in old.purchased.items()},
    )


def _broken(error: Exception) -> BrokenState:
    return BrokenState(f"the visitor's state in the changelog cannot be read: {error}")


def _unknown(packed: bytes) -> UnknownStateVersion:
    return UnknownStateVersion(
        f"a state of version {packed[0] if packed else 'none'} in the changelog; this Bannerstream reads versions "
        f"{version1.STATE_VERSION} and {STATE_VERSION}. Run the version that wrote it, or set another streams.app_id "
        "to begin with empty tables"
    )
