r"""What the numbers in a row mean, and the records that say so in the changelog.

    \x00layout/shape/<id>        the columns of a row: cohorts, topics, variants, …
    \x00layout/product/<number>  a product's id
    \x00layout/source/<topic>    reserved: the incarnation of a source partition, the checksum of its last batch

A record's key is a hash of its value, so that two writers never disagree about one, and a record is never rewritten.
Each precedes the first state that needs it, in the changelog's order, and compaction keeps it.
"""

from collections.abc import Iterable
from functools import cached_property
from hashlib import blake2b

import msgspec
import numpy as np
from msgspec import Struct
from xxhash import xxh32_intdigest

from bannerstream.streams.affinity import Policy
from bannerstream.streams.affinity.state import ONLY_VARIANT
from bannerstream.streams.errors import BrokenState

STATE_VERSION = 3
"""First byte of a row, and of a layout record, in the changelog."""

LAYOUT = b"\x00layout/"
"""Beginning of the keys of layout records. User keys are hex digits."""
SHAPE, PRODUCT = LAYOUT + b"shape/", LAYOUT + b"product/"

ID_BYTES = 4
LONG_FORM = bytes(ID_BYTES)
"""In the place of a shape's id: a state that is not a row, packed by the pure core."""

MAX_COHORTS = 128
"""Columns of scores: 1 kB a visitor. A visitor of further cohorts has a state in long form."""
MAX_SLOTS = 32
"""Products and event ids in a row; a visitor with more of them has a state in long form."""
BOUGHT_SLOTS = 2
"""Purchases in a row: few visitors buy more than two products within `streams.suppress_days`."""
TRANSFER_SLOTS = 1
NO_PRODUCT = 0

Changes = list[tuple[bytes, bytes | None]]


class Shape(Struct, frozen=True):
    """The columns of a row. Their order is the meaning of a row's bytes."""

    cohorts: tuple[str, ...]
    """Greater ids first: among equal scores, the first is the one that the pure core takes."""
    topics: tuple[str, ...]
    variants: tuple[str, ...]
    half_lives_ms: tuple[int, ...]
    locales: tuple[str, ...]
    """The first is "": not known."""
    touched: int
    bought: int
    marks: int
    transfers: int

    def covering(self, cohorts: Iterable[str], topics: Iterable[str], variants: Iterable[str]) -> "Shape":
        """Return a shape that has these columns, too, but of cohorts `MAX_COHORTS`: this one if it has them already."""
        wanted = sorted(set(cohorts).difference(self.cohorts))
        return self._with(
            cohorts=self._cohorts_and(wanted[: max(0, MAX_COHORTS - len(self.cohorts))]),
            topics=_extended(self.topics, topics),
            variants=_extended(self.variants, variants),
        )

    def including(self, other: "Shape") -> "Shape":
        """Return a shape whose rows can hold the rows of both."""
        return self._with(
            cohorts=self._cohorts_and(set(other.cohorts).difference(self.cohorts)),
            topics=_extended(self.topics, other.topics),
            variants=_extended(self.variants, other.variants),
            half_lives_ms=_extended(self.half_lives_ms, other.half_lives_ms),
            locales=_extended(self.locales, other.locales),
            touched=max(self.touched, other.touched),
            bought=max(self.bought, other.bought),
            marks=max(self.marks, other.marks),
            transfers=max(self.transfers, other.transfers),
        )

    def _cohorts_and(self, more: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted((*self.cohorts, *more), reverse=True))

    def _with(self, **columns: object) -> "Shape":
        changed = msgspec.structs.replace(self, **columns)
        return self if changed == self else changed


def shape_for(policy: Policy) -> Shape:
    """Return the shape of an empty partition under this policy."""
    return Shape(
        cohorts=(),
        topics=(),
        variants=(ONLY_VARIANT,),
        half_lives_ms=(policy.half_life_ms,),
        locales=("",),
        touched=min(policy.products_per_user, MAX_SLOTS),
        bought=BOUGHT_SLOTS,
        marks=min(policy.duplicate_window, MAX_SLOTS),
        transfers=TRANSFER_SLOTS,
    )


def _extended(names: tuple, more: Iterable) -> tuple:  # type: ignore[type-arg]
    return (*names, *(name for name in dict.fromkeys(more) if name not in names))


class Columns:
    """A shape with what follows from it: the array's type, and from each name to its column.

    Times are milliseconds since the visitor's landmark, in 40 bits: 17 years before and after it. They lie in two
    columns, `_low` and `_high`. 0 stands for no product, no event id and no score.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.record = _record(shape)
        self.id = shape_id(self.record)
        self.cohort_numbers = {cohort: number for number, cohort in enumerate(shape.cohorts)}
        self.topic_numbers = {topic: number for number, topic in enumerate(shape.topics)}
        self.variant_numbers = {variant: number for number, variant in enumerate(shape.variants)}
        self.half_life_numbers = {half_life: number for number, half_life in enumerate(shape.half_lives_ms)}
        self.locale_numbers = {locale: number for number, locale in enumerate(shape.locales)}

    @cached_property
    def dtype(self) -> np.dtype:
        """The type of a row. Its bytes after the key are, after the header, the value in the changelog."""
        shape = self.shape
        return np.dtype(
            [
                ("key", "<u8", (2,)),
                ("landmark", "<i8"),
                ("fingerprint", "<u8"),
                ("transfers", "<u8", (shape.transfers,)),
                ("offsets", "<i8", (len(shape.topics),)),
                ("scores", "<f8", (len(shape.cohorts),)),
                ("marks", "<u8", (shape.marks,)),
                ("touched", "<u4", (shape.touched,)),
                ("touched_low", "<u4", (shape.touched,)),
                ("bought", "<u4", (shape.bought,)),
                ("bought_low", "<u4", (shape.bought,)),
                ("seen_low", "<u4"),
                ("decided_low", "<u4"),
                ("epoch", "<u4"),
                ("product", "<u4"),
                ("cohort", "<u2"),
                ("locale", "<u2"),
                ("touched_high", "i1", (shape.touched,)),
                ("bought_high", "i1", (shape.bought,)),
                ("seen_high", "i1"),
                ("decided_high", "i1"),
                ("variant", "u1"),
                ("half_life", "u1"),
            ]
        )

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row after its key."""
        return self.dtype.itemsize - KEY_BYTES

    @property
    def header(self) -> bytes:
        """Return what precedes a row's bytes in the changelog."""
        return bytes([STATE_VERSION]) + self.id


KEY_BYTES = 16
HEADER_BYTES = 1 + ID_BYTES


def _record(shape: Shape) -> bytes:
    return bytes([STATE_VERSION]) + msgspec.json.encode(shape)


def shape_id(record: bytes) -> bytes:
    """Return the id under which rows name the shape in this record."""
    return blake2b(record, digest_size=ID_BYTES).digest()


def read_shape(record: bytes) -> Shape:
    """Return the shape in a layout record.

    Raises:
        BrokenState: the record cannot be decoded.
    """
    try:
        return msgspec.json.decode(record[1:], type=Shape)
    except msgspec.DecodeError as error:
        raise BrokenState(f"a layout record in the changelog cannot be read: {error}") from error


class Products:
    """The numbers of a partition's products: 32 bits of a hash of their ids.

    A product whose number another one has already gets none, and its visitors have states in long form: of 20,000
    products, one pair in twenty shops.
    """

    def __init__(self) -> None:
        self.ids: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self.unwritten: dict[str, None] = {}
        """Ids whose record is not in the changelog yet, in the order in which they got their numbers."""

    def number(self, product_id: str) -> int:
        """Return a product's number, or `NO_PRODUCT` if it cannot have one."""
        number = self._numbers.get(product_id)
        if number is None:
            number = xxh32_intdigest(product_id.encode())
            if number == NO_PRODUCT or self.ids.setdefault(number, product_id) != product_id:
                number = NO_PRODUCT
            else:
                self.unwritten[product_id] = None
            self._numbers[product_id] = number
        return number

    def learn(self, record: bytes) -> None:
        """Note a product's layout record from the changelog."""
        product_id = record[1:].decode()
        if self.number(product_id) == NO_PRODUCT:
            raise BrokenState(f"two products in the changelog have the number of {product_id!r}")
        self.unwritten.pop(product_id, None)

    def record(self, product_id: str) -> tuple[bytes, bytes]:
        """Return key and value of a product's layout record."""
        return PRODUCT + b"%08x" % self._numbers[product_id], bytes([STATE_VERSION]) + product_id.encode()
