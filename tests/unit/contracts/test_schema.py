import json
import re
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import InvalidRecord, MalformedRecord
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.schema import MESSAGES, json_schemas
from tests.support.input_examples import EXPORTED, GA4, NATIVE, SEGMENT
from tests.support.strategies import messages

SCHEMAS = json_schemas()
VALIDATORS = {name: jsonschema.Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
MODERATE = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_valid_schema_that_stands_alone(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == name
    for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@MODERATE
@given(data=st.data())
def test_what_decodes_is_valid_and_survives_a_round_trip(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(messages(kind))
    decoded = decode(json.dumps(value).encode(), kind)
    encoded = msgspec.json.encode(decoded)
    assert decode(encoded, kind) == decoded
    if kind.__name__ != "NativeEvent" or ("product_id" in value) != ("product_ids" in value):
        VALIDATORS[kind.__name__].validate(json.loads(encoded))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@MODERATE
@given(data=st.data())
def test_schema_and_decoder_refuse_alike(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(messages(kind))
    name = data.draw(st.sampled_from(sorted(value)))
    value[name] = data.draw(
        st.sampled_from([None, "", "a b", "x\n", "\x00", "y" * 5000, -1, 10**16, 0.5, True, [], [""], {}, {"?": 2}])
    )
    try:
        decode(json.dumps(value).encode(), kind)
    except MalformedRecord:
        decodes = False
    else:
        decodes = kind.__name__ != "NativeEvent" or ("product_id" in value) != ("product_ids" in value)
    assert VALIDATORS[kind.__name__].is_valid(value) == decodes


_REPLACEMENTS = ["", "purchase", "Order Completed", "view_item", None, 3, "7", [], {"a": 1}, "2026-01-31T12:00:00Z"]
_FOREIGN = [("SegmentEvent", SEGMENT), ("Ga4Event", GA4), ("Ga4Event", EXPORTED), ("NativeEvent", NATIVE)]


@pytest.mark.parametrize(("name", "event"), _FOREIGN)
@given(data=st.data())
def test_what_the_input_decoder_takes_is_valid(name: str, event: dict[str, Any], data: st.DataObject) -> None:
    """Damage a good event anywhere: whenever it still decodes, the schema must agree."""
    damaged = json.loads(json.dumps(event))
    for _ in range(data.draw(st.integers(0, 3))):
        place = damaged
        while True:
            where = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if isinstance(place[where], dict | list) and place[where] and data.draw(st.booleans()):
                place = place[where]
            else:
                replacements = [
                    "",
                    "purchase",
                    "Order Completed",
                    "view_item",
                    None,
                    3,
                    "7",
                    [],
                    {"a": 1},
                    "2026-01-31T12:00:00Z",
                ]
                place[where] = data.draw(st.sampled_from(replacements))
                break
    formats = {"SegmentEvent": "segment", "Ga4Event": "ga4", "NativeEvent": "native"}
    try:
        decode_event(
            json.dumps(damaged).encode(), "clicks", formats[name],  # type: ignore[arg-type]
            received_at=1_769_860_800_000, max_future_ms=10**15, max_age_ms=10**15,
        )  # fmt: skip
    except InvalidRecord:
        return
    VALIDATORS[name].validate(damaged)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("SegmentEvent", {**SEGMENT, "type": "page"}),
        ("SegmentEvent", {**SEGMENT, "event": "Cart Viewed"}),
        ("SegmentEvent", {**SEGMENT, "userId": ""}),
        ("SegmentEvent", {**SEGMENT, "timestamp": None}),
        ("SegmentEvent", {**SEGMENT, "properties": {"product_id": ""}}),
        ("SegmentEvent", {**SEGMENT, "event": "Order Completed"}),
        ("SegmentEvent", {**SEGMENT, "event": "Order Completed", "properties": {"products": [{}]}}),
        ("Ga4Event", {**GA4, "client_id": ""}),
        ("Ga4Event", {**GA4, "events": []}),
        ("Ga4Event", {**GA4, "events": [{"name": "view_item", "params": {}}]}),
        ("Ga4Event", {**GA4, "timestamp_micros": "soon"}),
        ("Ga4Event", {**EXPORTED, "event_name": "page_view"}),
        ("Ga4Event", {**EXPORTED, "items": [{"item_id": "(not set)"}]}),
        ("NativeEvent", {**NATIVE, "product_ids": ["a"]}),
        ("NativeEvent", {**NATIVE, "extra": 1}),
    ],
)
def test_schemas_refuse_what_the_decoders_refuse(name: str, event: dict[str, Any]) -> None:
    assert not VALIDATORS[name].is_valid(event)
    with pytest.raises(InvalidRecord):
        decode_event(
            json.dumps(event).encode(), "clicks", "auto", received_at=0, max_future_ms=10**15, max_age_ms=10**15
        )
