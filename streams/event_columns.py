"""The events of a batch as arrays, and their visitors."""

from binascii import hexlify
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import UNSET, UnsetType
from xxhash import xxh3_64_intdigest

from bannerstream.contracts.inputs import PlainEvent, Source, default_kind
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.keys import UserKeys
from bannerstream.streams.affinity import KIND_WEIGHTS
from bannerstream.streams.affinity.fingerprints import seed_of
from bannerstream.streams.columnar.rounds import EventColumns, Integers
from bannerstream.streams.columnar.shop_columns import UNKNOWN, ShopColumns
from bannerstream.streams.input_records import InputRecord, RecordPart

Event = PlainEvent | Interaction | Exception

_KEY_BYTES = 16


class Visitors:
    """The visitors of a batch, in the order of their first events; each id is hashed once."""

    def __init__(self, user_ids: Sequence[str], user_keys: UserKeys) -> None:
        numbers: dict[str, int] = {}
        self.index: Integers = np.array([numbers.setdefault(user_id, len(numbers)) for user_id in user_ids], np.int64)
        """The visitor of each event."""
        digests = user_keys.digests(numbers)
        text = hexlify(digests)
        self.keys = np.frombuffer(digests, "<u8").reshape(-1, 2)
        size = 2 * _KEY_BYTES
        self.hex_keys = [text[start : start + size] for start in range(0, len(text), size)]


def _common_weights(source: Source) -> Mapping[InteractionKind | UnsetType, float]:
    """Return the weight of each kind that rounds take; 0 for purchases, which are the pure core's."""
    weights: dict[InteractionKind | UnsetType, float] = {kind: weight for kind, weight in KIND_WEIGHTS.items()}  # noqa: C416
    weights[InteractionKind.PURCHASE] = 0.0
    return weights | {UNSET: weights[default_kind(source)]}


def event_columns(  # noqa: PLR0917  (source, topic, shop; then arrays and lists of one length)
    source: Source,
    topic: str,
    shop: ShopColumns,
    visitor: Integers,
    records: Sequence[InputRecord],
    events: Sequence[Event],
    times: Sequence[int],
) -> EventColumns:
    """Return these events, none of them an exception, as arrays. `times` are epoch milliseconds."""
    weights, seed, count = _common_weights(source), seed_of(topic), len(events)
    if set(map(type, events)) <= {PlainEvent}:
        places = [shop[event.product_id] for event in events]  # type: ignore[union-attr]
    else:
        places = [_place(record, event, shop) for record, event in zip(records, events, strict=True)]
    weight = np.fromiter([weights[event.kind] for event in events], np.float64, count)  # type: ignore[union-attr]
    place = np.fromiter(places, np.int64, count)
    place[weight == 0] = UNKNOWN
    digest = xxh3_64_intdigest
    return EventColumns(
        visitor,
        place,
        weight,
        np.array(times, np.int64),
        np.fromiter([digest(event.event_id.encode(), seed) for event in events], np.uint64, count),  # type: ignore[union-attr]
        np.fromiter([record.offset for record in records], np.int64, count),
    )


def _place(record: InputRecord, event: Event, shop: ShopColumns) -> int:
    """Return the place of an event's product; `UNKNOWN` where there are several, or several events in the record."""
    if isinstance(event, PlainEvent):
        return shop[event.product_id]
    if isinstance(event, Exception) or isinstance(record, RecordPart) or len(event.product_ids) != 1:
        return UNKNOWN
    return shop[event.product_ids[0]]
