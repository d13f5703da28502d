"""What holds for every format: one outcome or one kind of error, for any bytes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bannerstream.contracts.errors import ImplausibleTime, InvalidRecord, MalformedRecord, OversizedRecord
from bannerstream.contracts.inputs import InputFormat, Source, decode_event
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.contracts.scalars import MAX_EVENT_BYTES
from tests.support.input_examples import EXPORTED, GA4, NATIVE, NOW, SEGMENT

DAY_MS = 86_400_000

FORMATS: tuple[InputFormat, ...] = ("auto", "native", "segment", "ga4")


def decode(
    payload: bytes | None, source: Source = "clicks", form: InputFormat = "auto", *, received_at: int = NOW
) -> Interaction:
    return decode_event(payload, source, form, received_at=received_at, max_future_ms=300_000, max_age_ms=400 * DAY_MS)


@pytest.mark.parametrize(("event", "form"), [(NATIVE, "native"), (SEGMENT, "segment"), (GA4, "ga4"), (EXPORTED, "ga4")])
def test_auto_recognises_each_format_by_its_shape(event: dict[str, Any], form: InputFormat) -> None:
    payload = json.dumps(event).encode()
    assert decode(payload) == decode(payload, form=form)
    assert decode(payload).product_ids == ("mug-3",)
    assert decode(payload).occurred_at == NOW


def test_a_segment_call_without_event_name_is_recognised_by_its_message_id() -> None:
    with pytest.raises(InvalidRecord, match="segment: a `page` call moves no affinity"):
        decode(b'{"type":"page","messageId":"m-1"}')


@pytest.mark.parametrize("payload", [None, b""])
def test_an_empty_record_is_malformed(payload: bytes | None) -> None:
    with pytest.raises(MalformedRecord, match="empty"):
        decode(payload)


def test_size_is_checked_before_anything_is_parsed() -> None:
    padded = json.dumps(NATIVE).encode().ljust(MAX_EVENT_BYTES)
    assert decode(padded).event_id == "e-1"
    with pytest.raises(OversizedRecord, match="900001 bytes; at most 900000 are accepted"):
        decode(padded + b" ")
    with pytest.raises(OversizedRecord):
        decode(b"\xff" * (MAX_EVENT_BYTES + 1))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b"3",
        b'"text"',
        b"[]",
        b"{",
        b"{}",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"properties":' + b"[" * 60_000,
        b'{"type":"track","event":"Product Viewed","messageId":"a","x":NaN}',
        b'{"events":[{"name":"view_item","params":{"items":[{"item_id":1e999}]}}]}',
        b'{"event_name":"view_item","items":[{"item_id":' + b"9" * 6000 + b"}]}",
        json.dumps(NATIVE).encode() + b"{}",
        json.dumps(NATIVE).encode() + b"\0",
    ],
)
def test_what_is_no_event_is_an_invalid_record(payload: bytes, form: InputFormat) -> None:
    with pytest.raises(InvalidRecord):
        decode(payload, form=form)


@pytest.mark.parametrize("event", [NATIVE, SEGMENT, GA4, EXPORTED])
def test_bytes_that_are_not_text_are_malformed(event: dict[str, Any]) -> None:
    text = json.dumps(event).encode()
    for bad in (b"\xff", b"\\ud800", b"\\udc00\\ud800", b"\0", b"\xed\xa0\x80"):
        with pytest.raises(MalformedRecord):
            decode(text.replace(b"mug-3", bad))


@pytest.mark.parametrize("broken", [b'"\xff"', b'"\\ud83d"', b'"a\nb"', b'{"a":1,"a":2}'])
def test_what_is_broken_or_doubled_does_no_harm_where_the_format_does_not_look(broken: bytes) -> None:
    text = json.dumps({**SEGMENT, "context": "mug"}).encode()
    assert decode(text.replace(b'"mug"', broken)) == decode(text)


@pytest.mark.parametrize("event", [NATIVE, SEGMENT, GA4, EXPORTED])
def test_a_key_that_stands_twice_is_malformed(event: dict[str, Any]) -> None:
    text = json.dumps(event)
    for name, value in event.items():
        twice = "{" + f"{json.dumps(name)}: {json.dumps(value)}, " + text[1:]
        with pytest.raises(MalformedRecord, match=f"`{name}` stands twice"):
            decode(twice.encode())


def test_a_key_that_stands_twice_is_found_when_it_is_written_in_escapes() -> None:
    with pytest.raises(MalformedRecord, match="`user_id` stands twice"):
        decode(b'{"user_\\u0069d":"u-8",' + json.dumps(NATIVE).encode()[1:])


def test_a_key_that_stands_twice_deep_inside_is_malformed() -> None:
    with pytest.raises(MalformedRecord, match="`item_id` stands twice"):
        decode(b'{"client_id":"c","events":[{"name":"view_item","params":{"items":[{"item_id":"a","item_id":"b"}]}}]}')


@pytest.mark.parametrize(("late", "plausible"), [(300_000, True), (300_001, False), (-400 * DAY_MS, True)])
def test_times_are_held_against_the_arrival(late: int, plausible: bool) -> None:
    payload = json.dumps(NATIVE).encode()
    if plausible:
        assert decode(payload, received_at=NOW - late).occurred_at == min(NOW, NOW - late)
    else:
        with pytest.raises(ImplausibleTime, match=r"300 s after its arrival; input\.max_future_s allows 300"):
            decode(payload, received_at=NOW - late)


def test_an_old_event_is_implausible() -> None:
    with pytest.raises(ImplausibleTime, match=r"400.0 days before its arrival; input.max_age_days allows 400.0$"):
        decode(json.dumps(NATIVE).encode(), received_at=NOW + 400 * DAY_MS + 1)


def test_seconds_where_milliseconds_belong_are_named() -> None:
    with pytest.raises(ImplausibleTime, match="looks like seconds, and milliseconds are expected"):
        decode(json.dumps({**NATIVE, "time": NOW // 1000}).encode())


@pytest.mark.parametrize("source", ["clicks", "purchases"])
@pytest.mark.parametrize("event", [SEGMENT, GA4, EXPORTED, {**NATIVE, "kind": "view"}])
def test_the_event_says_what_it_is_on_either_topic(event: dict[str, Any], source: Source) -> None:
    assert decode(json.dumps(event).encode(), source).kind is InteractionKind.VIEW


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def _almost_events(draw: st.DrawFn) -> dict[str, Any]:
    """A good event in which some values, at any depth, were replaced by anything."""
    event = json.loads(json.dumps(draw(st.sampled_from([NATIVE, SEGMENT, GA4, EXPORTED]))))
    for _ in range(draw(st.integers(1, 3))):
        place = event
        while True:
            where = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if isinstance(place[where], dict | list) and place[where] and draw(st.booleans()):
                place = place[where]
            else:
                place[where] = draw(_json_values | st.sampled_from(["view_item", "purchase", "track", "", NOW]))
                break
    return event


def _outcome_is_clean(payload: bytes, source: Source, form: InputFormat) -> None:
    try:
        interaction = decode(payload, source, form)
    except InvalidRecord:
        return
    # What comes out holds its own bounds, which msgspec checks on the way in only.
    assert msgspec.json.decode(msgspec.json.encode(interaction), type=Interaction) == interaction


_sources = st.sampled_from(["clicks", "purchases"])
_formats = st.sampled_from(FORMATS)


@given(st.binary(max_size=200), _sources, _formats)
@example(b'{"":\xed\xa0\x80}', "clicks", "auto")
def test_any_bytes_have_a_clean_outcome(payload: bytes, source: Source, form: InputFormat) -> None:
    _outcome_is_clean(payload, source, form)


@given(_json_values, _sources, _formats)
def test_any_json_has_a_clean_outcome(value: Any, source: Source, form: InputFormat) -> None:
    _outcome_is_clean(json.dumps(value).encode(), source, form)


@given(_almost_events(), _sources, _formats)
def test_any_almost_good_event_has_a_clean_outcome(event: dict[str, Any], source: Source, form: InputFormat) -> None:
    _outcome_is_clean(json.dumps(event).encode(), source, form)


@given(st.sampled_from([NATIVE, SEGMENT, GA4, EXPORTED]), st.data())
def test_any_damaged_event_has_a_clean_outcome(event: dict[str, Any], data: st.DataObject) -> None:
    payload = bytearray(json.dumps(event).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    _outcome_is_clean(bytes(payload), "clicks", "auto")
