"""Bytes of many records to what they say, a native event at a fifth of `decode_record`'s time.

`decode_record` is the specification. What it spends its time on is proving that a record holds nothing it should not:
a pattern per id, each key once, bounds. Here the same is proved of many records at once, over their bytes joined, and
whatever is not proved, or is not native, or does not decode, goes through `decode_record` alone.
`tests/unit/contracts/test_bulk.py` holds the two equal for any bytes.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter, sub
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bannerstream.contracts.inputs.decoding import InputForm, Part, Source, decode_record
from bannerstream.contracts.inputs.native import default_kind
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.scalars import MAX_EVENT_BYTES, MAX_EVENT_PRODUCTS, PRODUCTS_CEILING, Timestamp
from bannerstream.contracts.times import epoch_ms

_BLOCK = 16
"""Records proved together when a whole batch fails: with 1 % odd records, one block in seven is then split."""


class PlainEvent(Struct, forbid_unknown_fields=True, gc=False):
    """A native event in its fastest form: `NativeEvent` without patterns. Only `decode_events` validates it.

    Not tracked by the garbage collector: it refers to strings and numbers only.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=128)]
    user_id: Annotated[str, Meta(min_length=1, max_length=256)]
    time: Timestamp | Annotated[str, Meta(max_length=40)]
    kind: InteractionKind | UnsetType = UNSET
    product_id: Annotated[str, Meta(min_length=1, max_length=128)] = ""
    """Either this or `product_ids`; the other is empty, a value that no event can hold."""
    product_ids: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=128)], ...], Meta(min_length=1, max_length=PRODUCTS_CEILING)
    ] = ()

    def interaction(self, source: Source, occurred_at: int) -> Interaction:
        """Return what `decode_record` would."""
        return Interaction(
            event_id=self.event_id,
            user_id=self.user_id,
            kind=default_kind(source) if self.kind is UNSET else self.kind,
            product_ids=(self.product_id,) if self.product_id else tuple(dict.fromkeys(self.product_ids)),
            occurred_at=occurred_at,
        )


class Several(Struct, frozen=True):
    """The events of a record that holds more than one."""

    parts: tuple[Part, ...]


Decoded = PlainEvent | Interaction | Several | Exception
"""What became of a record; an exception that is not an `InvalidRecord` is a defect of ours."""

_decode = msgspec.json.Decoder(PlainEvent).decode
_texts_of = attrgetter("event_id", "user_id", "product_id")


def decode_events(
    values: Sequence[bytes | None],
    received_at: Sequence[int],
    source: Source,
    format: InputForm,  # noqa: A002  (the field's own word, and the setting's)
    *,
    max_future_ms: int,
    max_age_ms: int,
    max_record_bytes: int = MAX_EVENT_BYTES,
    max_products: int = MAX_EVENT_PRODUCTS,
) -> tuple[list[Decoded], list[int], int]:
    """Return what each record of topic `source` holds, when that happened, and how far events were ahead.

    Times are epoch milliseconds, and 0 for an exception and for `Several`. An event's time is its record's where it
    was later; the last value is the largest such lead in milliseconds, 0 if there was none. Raises nothing: an error
    stands in its record's place.
    """
    bounds = (max_record_bytes, max_products)
    plain: list[PlainEvent | None] = _plain(values, bounds) if format in ("auto", "native") else [None] * len(values)
    times = _times(plain)
    ages = list(map(sub, received_at, times))
    decoded: list[Decoded] = [event for event in plain if event is not None]
    if len(decoded) == len(values) and (not ages or (-max_future_ms <= min(ages) and max(ages) <= max_age_ms)):
        ahead_ms = -min(ages, default=0)
        return (decoded, times, 0) if ahead_ms <= 0 else (decoded, list(map(min, times, received_at)), ahead_ms)
    decoded, ahead_ms = [], 0
    for index, (event, age) in enumerate(zip(plain, ages, strict=True)):
        if event is not None and -max_future_ms <= age <= max_age_ms:
            decoded.append(event)
            if age < 0:
                times[index], ahead_ms = received_at[index], max(ahead_ms, -age)
            continue
        try:
            parts = decode_record(
                values[index],
                source,
                format,
                received_at=received_at[index],
                max_future_ms=max_future_ms,
                max_age_ms=max_age_ms,
                max_record_bytes=max_record_bytes,
                max_products=max_products,
            )
        except Exception as error:
            # The frames of its traceback would keep this list, and the batch, alive until garbage collection.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            decoded.append(error)
            times[index] = 0
        else:
            alone = parts[0].event if len(parts) == 1 else Several(parts)
            ahead_ms = max(ahead_ms, *(part.ahead_ms for part in parts))
            decoded.append(alone)
            times[index] = alone.occurred_at if isinstance(alone, Interaction) else 0
    return decoded, times, ahead_ms


def _plain(values: Sequence[bytes | None], bounds: tuple[int, int]) -> list[PlainEvent | None]:
    """Return the native events of which it is proved that they are what `decode_record` would make of them."""
    events = _parsed(values)
    parsed = [index for index, event in enumerate(events) if event is not None]
    if not parsed or _proved(values, events, parsed, bounds):
        return events
    parsed = _without_odd(values, events, parsed)
    if not parsed or _proved(values, events, parsed, bounds):
        return events
    for start in range(0, len(parsed), _BLOCK):
        block = parsed[start : start + _BLOCK]
        if not _proved(values, events, block, bounds):
            for index in block:
                if not _proved(values, events, [index], bounds):
                    events[index] = None
    return events


def _parsed(values: Sequence[bytes | None]) -> list[PlainEvent | None]:
    events: list[PlainEvent | None] = []
    rest: Iterator[Any] = iter(values)
    while len(events) < len(values):
        try:
            # After an exception the list holds all earlier events and the iterator is past the failing record.
            events.extend(map(_decode, rest))
        except (ValueError, RecursionError, TypeError):  # TypeError: a record without a value
            events.append(None)
    return events


def _without_odd(values: Sequence[Any], events: list[Any], indexes: Sequence[int]) -> list[int]:
    """Return the indexes of the records that look provable; drop the events of the others.

    Ids with spaces or non-ASCII letters are rare but legitimate: checking each record for them costs a third of proving
    by blocks.
    """
    rest = [
        index
        for index in indexes
        if values[index].isascii()
        and " " not in events[index].event_id
        and " " not in events[index].user_id
        and " " not in events[index].product_id
        and b"\\" not in values[index]
    ]
    for index in set(indexes).difference(rest):
        events[index] = None
    return rest


def _proved(
    values: Sequence[bytes | None],
    events: Sequence[PlainEvent | None],
    indexes: Sequence[int],
    bounds: tuple[int, int],
) -> bool:
    """Return whether these records, which decoded, hold what their events say, and nothing else.

    Proved for all at once: none is too long, or names too many products; no text holds anything but visible ASCII
    (msgspec refuses the control characters below the space; without a backslash nothing is escaped); exactly one field
    names products; and no key stands twice, because that would bring quotes which the event lacks: all fields are
    known, so that every string is a key or a value of the event, and no record can have fewer quotes than that.
    """
    every = len(indexes) == len(values)
    payloads: Sequence[Any] = values if every else [values[index] for index in indexes]
    chosen: Sequence[Any] = events if every else [events[index] for index in indexes]
    joined = b"".join(payloads)
    if not joined.isascii() or b"\\" in joined or b"\x7f" in joined or max(map(len, payloads)) > bounds[0]:
        return False
    orders = [each.product_ids for each in chosen if each.product_ids]
    if orders and max(map(len, orders)) > bounds[1]:
        return False
    if (orders or "" in [each.product_id for each in chosen]) and any(
        bool(event.product_id) == bool(event.product_ids) for event in chosen
    ):
        return False
    if b" " in joined:  # most producers write none, between keys and values either
        texts = list(chain.from_iterable(map(_texts_of, chosen)))
        texts.extend(chain.from_iterable(orders))
        if " " in "".join(texts):
            return False
    strings = 9 * len(chosen)  # five keys; four values beside a time as a number
    strings -= 2 * sum([each.kind is UNSET for each in chosen])
    strings += sum([type(each.time) is str for each in chosen])
    strings += sum(map(len, orders)) - len(orders)
    return joined.count(b'"') == 2 * strings


def _times(events: list[PlainEvent | None]) -> list[int]:
    """Return when each event occurred, 0 without one; drop events whose time is invalid."""
    times: list[Any] = [0 if event is None else event.time for event in events]
    if str in set(map(type, times)):
        for index, time in enumerate(times):
            if isinstance(time, str):
                try:
                    times[index] = epoch_ms(time)
                except ValueError:
                    events[index], times[index] = None, 0
    return times
