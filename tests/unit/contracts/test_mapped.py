"""Events of a shop's own form, read as its `connect.toml` says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.errors import (
    IgnoredEvent,
    ImplausibleTime,
    InvalidRecord,
    MalformedRecord,
    UnsupportedEvent,
)
from bannerstream.contracts.inputs import EventMapping, Source, decode_event, read_connect
from bannerstream.contracts.interactions import Interaction, InteractionKind

NOW = 1_769_860_800_000
CONNECT = """
[clicks]
user = ["$.context.user.id", "$.context.device"]
product = ["$.items[*].sku", "$.sku"]
time = "$.sent_at"
time_unit = "ms"
event_id = "$.id"
kind = "$.action"
kinds = { pdp_view = "view", add_to_basket = "cart" }
"""
EVENT: dict[str, Any] = {
    "id": "e-1",
    "sent_at": NOW,
    "action": "pdp_view",
    "context": {"user": {"id": "u-7"}, "device": "d-1", "page": 'a "quoted" title'},
    "items": [{"sku": "mug-3"}, {"sku": 17}, {"sku": "mug-3"}, {"price": 3}],
}
FULL = read_connect(CONNECT)["clicks"]


def mapping(more: str) -> EventMapping:
    return read_connect(f'[clicks]\nuser = "$.u"\nproduct = "$.p"\n{more}')["clicks"]


LEAST = mapping("")


def decode(event: Any, form: EventMapping = FULL, source: Source = "clicks") -> Interaction:
    payload = event if isinstance(event, bytes) else json.dumps(event).encode()
    return decode_event(payload, source, form, received_at=NOW, max_future_ms=300_000, max_age_ms=10**12)


def test_reads_every_field_from_where_it_lies() -> None:
    assert decode(EVENT) == Interaction(
        event_id="e-1", user_id="u-7", kind=InteractionKind.VIEW, product_ids=("mug-3", "17"), occurred_at=NOW
    )


def test_the_first_path_that_holds_something_counts() -> None:
    for user in ({"id": None}, {"id": ""}, {}):
        assert decode(EVENT | {"context": {"user": user, "device": "d-1"}}).user_id == "d-1"
    assert decode(EVENT | {"items": [], "sku": "one"}).product_ids == ("one",)


@pytest.mark.parametrize(("source", "kind"), [("clicks", "click"), ("purchases", "purchase")])
def test_without_a_path_the_topic_says_the_kind_the_record_the_time_and_the_bytes_the_id(
    source: Source, kind: str
) -> None:
    event = {"u": 7, "p": "a"}
    read = decode(event, LEAST, source)
    assert (read.user_id, read.kind, read.occurred_at) == ("7", kind, NOW)
    assert read.event_id == decode(event, LEAST).event_id
    assert read.event_id != decode(event | {"x": 1}, LEAST).event_id


@pytest.mark.parametrize(
    ("unit", "stated"),
    [
        ("s", NOW // 1000),
        ("s", NOW / 1000),
        ("s", str(NOW // 1000)),
        ("ms", NOW),
        ("ms", float(NOW)),
        ("ms", str(NOW)),
        ("us", NOW * 1000 + 999),
        ("µs", NOW * 1000),
        ("rfc3339", "2026-01-31T13:00:00+01:00"),
    ],
)
def test_times_are_read_in_their_unit(unit: str, stated: object) -> None:
    form = mapping(f'time = "$.t"\ntime_unit = "{unit}"')
    assert decode({"u": "u", "p": "p", "t": stated}, form).occurred_at == NOW


@given(st.integers(0, 4_000_000_000_000))
def test_seconds_with_a_fraction_keep_their_milliseconds(time: int) -> None:
    form = mapping('time = "$.t"\ntime_unit = "s"')
    payload = json.dumps({"u": "u", "p": "p", "t": time / 1000}).encode()
    read = decode_event(payload, "clicks", form, received_at=time, max_future_ms=0, max_age_ms=0)
    assert read.occurred_at == time


def test_a_time_in_another_unit_is_refused() -> None:
    with pytest.raises(ImplausibleTime, match="days before its arrival"):
        decode({"u": "u", "p": "p", "t": NOW}, mapping('time = "$.t"\ntime_unit = "us"'))
    with pytest.raises(MalformedRecord, match="between 1970 and 9999"):
        decode({"u": "u", "p": "p", "t": NOW}, mapping('time = "$.t"\ntime_unit = "s"'))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, r"nothing there - at `\$.id`"),
        ({"id": "a b"}, r"'a b' holds a space \(U\+0020\).* - at `\$.id`"),
        ({"id": "x" * 129}, r"has 129 characters: at most 128 are accepted - at `\$.id`"),
        ({"id": 1.5}, r"'1.5' has a fraction.* - at `\$.id`"),
        ({"context": {}}, r"nothing there - at `\$.context.user.id`, `\$.context.device`"),
        ({"context": {"user": {"id": True}}}, r"'true' is not an id: write it as text - at `\$.context.user.id`"),
        ({"context": {"user": {"id": ["u"]}}}, r"is not an id: write it as text - at `\$.context.user.id`"),
        ({"context": {"user": {"id": "u\u0000"}}}, r"at `\$.context.user.id`"),
        ({"items": []}, r"nothing there - at `\$.items\[\*\].sku`, `\$.sku`"),
        ({"items": [{"sku": {}}]}, r"'\{\}' is not an id: write it as text - at `\$.items\[\*\].sku`"),
        (
            {"items": [{"sku": f"p{i}"} for i in range(501)]},
            r"this one 501: raise input.max_products.* - at `\$.items\[\*\].sku`",
        ),
        ({"sent_at": None}, r"nothing there - at `\$.sent_at`"),
        ({"sent_at": True}, r"'true' is not a number of ms since 1970 - at `\$.sent_at`"),
        ({"sent_at": "2026-01-31T12:00:00Z"}, r"is not a number of ms since 1970 - at `\$.sent_at`"),
        ({"sent_at": "٣"}, r"is not a number of ms since 1970 - at `\$.sent_at`"),
        ({"sent_at": -1}, r"between 1970 and 9999 - at `\$.sent_at`"),
        ({"sent_at": 1e17}, r"between 1970 and 9999 - at `\$.sent_at`"),
        ({"sent_at": 1e308}, r"is not a number of ms since 1970 - at `\$.sent_at`"),
        ({"action": None}, r"nothing there - at `\$.action`"),
    ],
)
def test_refuses_and_names_the_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedRecord, match=f"^mapped: .*{message}"):
        decode(EVENT | change)


def test_a_number_where_a_text_time_is_expected_names_the_missing_unit() -> None:
    with pytest.raises(MalformedRecord, match=r"set `time_unit` - at `\$.t`"):
        decode({"u": "u", "p": "p", "t": NOW}, mapping('time = "$.t"'))


@pytest.mark.parametrize("kind", ["scroll", 3, ["pdp_view"], {}])
def test_other_kinds_are_dead_letters_or_passed_over_before_anything_else_is_looked_at(kind: object) -> None:
    with pytest.raises(UnsupportedEvent, match=r"is none of pdp_view, add_to_basket - at `\$.action`") as refused:
        decode({"action": kind})
    assert refused.value.code == "unsupported"
    ignoring = read_connect(CONNECT + 'other_kinds = "ignore"')["clicks"]
    with pytest.raises(IgnoredEvent) as ignored:
        decode({"action": kind}, ignoring)
    assert ignored.value.code == "ignored"


@pytest.mark.parametrize("broken", [b'"\xff"', b'"\\ud83d"', b'"a\nb"', b'{"a":1,"a":2}'])
def test_what_is_broken_or_doubled_does_no_harm_where_no_path_leads(broken: bytes) -> None:
    assert decode(b'{"u":"u","p":"p","x":' + broken + b"}", LEAST).user_id == "u"


@pytest.mark.parametrize(
    "event",
    [b'{"u":{"id":1},"u":2,"p":"p"}', b'{"u":"a","p":{"x":1,"x":2}}', b'{"u":"a","p":1,"p":1' + b"0" * 30 + b"}"],
)
def test_a_doubled_key_on_the_way_of_a_path_is_malformed(event: bytes) -> None:
    form = read_connect('[clicks]\nuser = ["$.u.id", "$.u"]\nproduct = ["$.p.*", "$.p"]')["clicks"]
    with pytest.raises(MalformedRecord, match="stands twice"):
        decode(event, form)


@pytest.mark.parametrize("payload", [None, b"", b'{"heartbeat":1}', b'{"action":null}'])
def test_what_has_no_kind_is_passed_over_where_other_kinds_are(payload: bytes | None) -> None:
    ignoring = read_connect(CONNECT + 'other_kinds = "ignore"')["clicks"]
    with pytest.raises(IgnoredEvent):
        decode_event(payload, "clicks", ignoring, received_at=NOW, max_future_ms=0, max_age_ms=0)
    with pytest.raises(MalformedRecord):
        decode_event(payload, "clicks", FULL, received_at=NOW, max_future_ms=0, max_age_ms=0)


def test_lines_of_which_none_names_a_product_are_unsupported() -> None:
    with pytest.raises(UnsupportedEvent, match=r"1 lines, and none names a product - at `\$.items\[\*\].sku`"):
        decode(EVENT | {"items": [{"title": "Gift wrap"}]})


def test_a_key_that_stands_twice_is_malformed_with_and_without_escapes() -> None:
    for name, value in EVENT.items():
        for event in (EVENT, EVENT | {"context": {"user": {"id": "u-7"}}}):
            text = json.dumps(event)
            with pytest.raises(MalformedRecord, match=f"`{name}` stands twice"):
                decode((f'{{"{name}": {json.dumps(value)}, ' + text[1:]).encode())
    with pytest.raises(MalformedRecord, match="`u` stands twice"):
        decode(b'{"u":"a","u":"a","p":1}', LEAST)
    with pytest.raises(MalformedRecord, match="`u` stands twice"):
        decode(b'{"u":"a","\\u0075":"a","p":1}', LEAST)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def _outcome(payload: bytes, form: EventMapping) -> None:
    try:
        read = decode(payload, form)
    except InvalidRecord:
        return
    assert 1 <= len(read.user_id.encode("utf-8", "strict")) <= 1024
    assert all(isinstance(each, str) and each for each in (read.event_id, *read.product_ids))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(EVENT, _json) | {"sku": _json}), st.booleans())
def test_any_json_is_an_interaction_or_an_invalid_record(event: dict[str, Any], whole: bool) -> None:
    event = EVENT | event if whole else event
    _outcome(json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass"), FULL)
    _outcome(json.dumps({"u": event.get("id"), "p": event.get("sku")}).encode(), LEAST)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_interaction_or_an_invalid_record(payload: bytes) -> None:
    _outcome(payload, FULL)


@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"3", b"[]", b"{}", b"[" * 60_000, b'{"a":' * 12_000, b"\xff", b'{"u":"\\ud800","p":"p"}',
     b'{"u":1e999,"p":"p"}', b'{"u":' + b"9" * 6000 + b',"p":"p"}', b'{"u":"u","p":"p"}{}', b'{"u":NaN,"p":"p"}',
     b'{"u":"\xff","p":"p"}'],
)  # fmt: skip
def test_what_is_no_event_is_an_invalid_record(payload: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode(payload, LEAST)
