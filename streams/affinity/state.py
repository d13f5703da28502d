"""What is remembered of one visitor, and its packed form: the value in the table and in its changelog."""

import msgspec
from msgspec import Struct

from streams.affinity.scores import Score
from streams.errors import BrokenState, UnknownStateVersion

STATE_VERSION = 1
"""First byte of a packed state. Raise it when a field changes its place or meaning."""


class Decision(Struct, frozen=True, array_like=True):
    """The banner that a visitor should see, as of the event time `decided_at`."""

    product_id: str
    cohort_id: str
    banner_key: str
    decided_at: int


class Affinity(Struct, array_like=True):
    """One cohort's score, and the products by which the visitor touched it with the time of the last touch."""

    exponent: int
    mantissa: float
    touched: dict[str, int]

    @property
    def score(self) -> Score:
        """Return the forward-decayed score."""
        return Score(self.exponent, self.mantissa)

    @score.setter
    def score(self, score: Score) -> None:
        self.exponent, self.mantissa = score


class UserState(Struct, array_like=True):
    """Everything that is remembered of one visitor. Belongs to whoever unpacked it: `fold` changes it in place."""

    half_life_ms: int
    """The half-life under which the scores were summed."""
    seen_at: int = 0
    """The latest event time: what "now" means for this visitor."""
    epoch: int = 0
    """How many decisions were taken; the current one carries this number."""
    decision: Decision | None = None
    """None before the first decision, and while nothing in the catalogue can be shown."""
    offsets: dict[str, int] = {}
    """Last applied offset per source topic. A visitor lives in one partition, so the topic is enough."""
    cohorts: dict[str, Affinity] = {}
    purchased: dict[str, int] = {}
    """Bought products, each with the event time until which it is not advertised."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UserState)
_PREFIX = bytes([STATE_VERSION])


def pack(state: UserState) -> bytes:
    """Return the state's bytes: the version, then MessagePack without field names."""
    return _PREFIX + _encoder.encode(state)


def unpack(packed: bytes) -> UserState:
    """Return the state in `packed`.

    Raises:
        UnknownStateVersion: another version of Bannerstream wrote it.
        BrokenState: it is of this version, but damaged.
    """
    if packed[:1] != _PREFIX:
        raise UnknownStateVersion(
            f"a state of version {packed[0] if packed else 'none'} in the changelog; this Bannerstream reads version "
            f"{STATE_VERSION}. Run the version that wrote it, or set another streams.app_id to begin with empty tables"
        )
    try:
        return _decoder.decode(memoryview(packed)[1:])
    except msgspec.DecodeError as error:
        raise BrokenState(f"the visitor's state in the changelog cannot be read: {error}") from error
