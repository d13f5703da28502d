"""Decoding many records at once gives for each what decoding it alone gives, whatever the bytes."""

import gc
import json
import weakref
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import PlainEvent, Several, Source, bulk, decode_events, decode_record
from bannerstream.contracts.interactions import Interaction
from bannerstream.contracts.scalars import MAX_EVENT_BYTES

NOW = 1_769_860_800_000
LIMITS = {"max_future_ms": 300_000, "max_age_ms": 400 * 86_400_000}
GOOD: dict[str, Any] = {"event_id": "e-1", "user_id": "u-7", "product_id": "mug-3", "time": NOW}
SEGMENT = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "userId": "u-7",
    "timestamp": "2026-01-31T12:00:00Z",
    "properties": {"product_id": "mug-3"},
}

GA4: dict[str, Any] = {
    "client_id": "1.2",
    "timestamp_micros": NOW * 1000,
    "events": [
        {"name": "view_item", "params": {"items": [{"item_id": "mug-3"}]}},
        {"name": "purchase", "params": {"items": [{"item_id": "mug-3"}, {"item_id": None}]}},
        {"name": "view_item", "params": {}},
    ],
}


def outcome(decoded: object, source: Source, at: int) -> object:
    """Return what a record says in a form that compares: the interaction, or the error's type and words."""
    if isinstance(decoded, PlainEvent):
        return decoded.interaction(source, at)
    if isinstance(decoded, Several):
        return [(part.value, outcome(part.event, source, at)) for part in decoded.parts]
    return decoded if isinstance(decoded, Interaction) else (type(decoded), str(decoded))


def alone(value: bytes | None, source: Source, form: Any, received_at: int) -> object:
    parts = decode_record(value, source, form, received_at=received_at, **LIMITS)
    return outcome(parts[0].event if len(parts) == 1 else Several(parts), source, 0)


def check_alike(values: list[bytes | None], source: Source = "clicks", form: Any = "auto") -> list[object]:
    """Decode together, compare each with decoding it alone; return the outcomes."""
    decoded, times, _ = decode_events(values, [NOW] * len(values), source, form, **LIMITS)
    found = [outcome(each, source, at) for each, at in zip(decoded, times, strict=True)]
    assert found == [alone(each, source, form, NOW) for each in values]
    for event, at in zip(found, times, strict=True):
        assert at == (event.occurred_at if isinstance(event, Interaction) else 0)
    return decoded


def dumped(event: object, **options: Any) -> bytes:
    return json.dumps(event, **options).encode()


visible = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=12)
texts = visible | st.sampled_from(
    ["", " ", "a b", "\x7f", "a\x7f", "é", "\t", "\n", '"', "\\", "x" * 128, "x" * 129, "x" * 257]
)
kinds = st.sampled_from(["view", "click", "cart", "purchase", "View", "", None, 1])
times = st.sampled_from(
    [
        NOW,
        NOW + 300_000,
        NOW + 300_001,
        NOW - 400 * 86_400_000,
        NOW - 400 * 86_400_000 - 1,
        NOW // 1000,
        -1,
        10**17,
        1.0,
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00",
        "x" * 41,
        "",
        None,
        True,
    ]
)
almost = st.fixed_dictionaries(
    {},
    optional={
        "event_id": texts | st.integers() | st.none(),
        "user_id": texts | st.none(),
        "product_id": texts,
        "product_ids": st.lists(texts, max_size=4) | st.just(["p"] * 100) | st.just([f"{n}" for n in range(101)]),
        "time": times,
        "kind": kinds,
        "type": st.just("track"),
    },
)
events = st.one_of(
    st.just(GOOD),
    almost.map(lambda changes: GOOD | changes),
    almost.map(lambda changes: {key: value for key, value in GOOD.items() if key != "product_id"} | changes),
    almost,
    st.just(SEGMENT),
    st.lists(st.just(SEGMENT) | almost, max_size=3).map(lambda calls: {"batch": calls}),
    st.lists(st.sampled_from(GA4["events"]) | almost, max_size=3).map(lambda hits: GA4 | {"events": hits}),
)
GOOD_BUT_FOR_PRODUCTS = {name: value for name, value in GOOD.items() if name != "product_id"}
spacing = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])


@st.composite
def payloads(draw: st.DrawFn) -> bytes | None:
    """A good event, an almost good one, one with damaged bytes or a key twice, or anything."""
    value = dumped(draw(events), **draw(spacing))
    match draw(st.integers(0, 7)):
        case 0:
            return draw(st.none() | st.binary(max_size=40))
        case 1:
            damaged = bytearray(value)
            damaged[draw(st.integers(0, len(value) - 1))] = draw(st.integers(0, 255))
            return bytes(damaged)
        case 2:
            twice = draw(st.sampled_from(["event_id", "user_id", "product_id", "time", "kind"]))
            return b'{"%s":%s,' % (twice.encode(), dumped(draw(visible | st.just(NOW)))) + value[1:]
        case 3:
            return value.replace(b"u", b"\\u0075", 1)
    return value


@settings(max_examples=300)
@given(
    st.lists(payloads(), max_size=40),
    st.sampled_from(["clicks", "purchases"]),
    st.sampled_from(["auto", "native", "segment"]),
)
@example([dumped(GOOD)[:-1] + b',"product_id":"mug-3"}', dumped(GOOD)], "clicks", "auto")
# Two products too many and two too few: as many quotes together as two good events have.
@example([dumped(GOOD | {"product_ids": ["mug-3"]}), dumped(GOOD_BUT_FOR_PRODUCTS)], "clicks", "auto")
def test_together_is_as_alone(values, source, form):
    check_alike(values, source, form)


@settings(max_examples=300)
@given(payloads())
def test_what_decodes_as_strict_native_is_recognised_as_native(value):
    """So `auto` may take the quick way."""
    found = alone(value, "clicks", "native", NOW)
    if isinstance(found, Interaction):
        assert alone(value, "clicks", "auto", NOW) == found


def test_good_events_take_the_quick_way_among_bad_ones():
    good = [dumped(GOOD | {"user_id": f"u-{number}"}) for number in range(100)]
    bad = [
        b"{not json",
        None,
        b"",
        dumped(GOOD).ljust(MAX_EVENT_BYTES + 1),
        dumped(GOOD | {"time": NOW + 10**9}),
        dumped(GOOD | {"user_id": "u 7"}),
        dumped(GOOD | {"user_id": "u\x7f"}),
        dumped(GOOD)[:-1] + b',"user_id":"u-8"}',
        b"[" * 60_000,
    ]
    for odd in bad:
        values = [*good[:50], odd, *good[50:]]
        decoded = check_alike(values)
        assert [type(each) for each in decoded if each is not decoded[50]] == [PlainEvent] * 100
        assert isinstance(decoded[50], InvalidRecord)


class Values(list[bytes]):
    """A list that a weak reference can point to."""


@pytest.mark.parametrize(
    "bad", [b"{not json", dumped(GOOD)[:-1] + b',"user_id":"u-8"}', dumped(GOOD | {"time": "never"})]
)
def test_a_bad_record_keeps_nothing_of_its_batch_alive(bad):
    gc.disable()
    try:
        values = Values([dumped(GOOD), bad])
        alive = weakref.ref(values)
        decoded, *_ = decode_events(values, [NOW, NOW], "clicks", "auto", **LIMITS)
        del values
        assert isinstance(decoded[1], InvalidRecord)
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "cart"},
        {"time": "2026-01-31T12:00:00Z"},
        {"product_id": None, "product_ids": ["mug-3", "pan-1", "mug-3"]},
    ],
)
def test_every_good_shape_takes_the_quick_way(changes):
    event = {key: value for key, value in (GOOD | changes).items() if value is not None}
    (decoded,) = check_alike([dumped(event)])
    assert isinstance(decoded, PlainEvent)


def test_an_event_that_is_good_but_not_plain_is_read_alone():
    (decoded,) = check_alike([dumped(GOOD | {"user_id": "José"})])
    assert isinstance(decoded, Interaction)


def test_a_defect_of_ours_stands_in_its_records_place(monkeypatch):
    def broken(*_: object, **__: object) -> Interaction:
        raise ZeroDivisionError

    monkeypatch.setattr(bulk, "decode_record", broken)
    decoded, times, _ = decode_events([dumped(GOOD), dumped(SEGMENT)], [NOW, NOW], "clicks", "auto", **LIMITS)
    assert isinstance(decoded[0], PlainEvent)
    assert isinstance(decoded[1], ZeroDivisionError)
    assert times == [NOW, 0]
