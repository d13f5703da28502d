"""Events as shops were seen to send them: each is used, or refused in words that say what to write instead.

`data/shop_events.jsonl` holds one a line: the record's `value` (or `base64`), and what becomes of it: `usable` lists
kind, visitor and products of each of its events, `code` and `reason` are those of the refusal.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import InputForm, decode_events, decode_record, read_connect
from bannerstream.contracts.inputs.bulk import Several

CASES: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "shop_events.jsonl").read_text("utf-8").splitlines()
]
NOW = 1_795_256_100_000
LIMITS = {"max_future_ms": 300_000, "max_age_ms": 30 * 86_400_000}
CONNECT = {
    "debezium": """
[purchases]
user = "$.after.customer_id"
product = "$.after.product_id"
time = "$.after.created_at"
time_unit = "us"
event_id = "$.after.id"
kind = "$.op"
other_kinds = "ignore"
kinds = { c = "purchase" }
""",
    "shopify": """
[purchases]
user = ["$.customer.id", "$.email"]
product = "$.line_items[*].product_id"
time = "$.created_at"
event_id = "$.id"
""",
    "snowplow": """
[clicks]
user = ["$.user_id", "$.domain_userid"]
product = "$.contexts_com_snowplowanalytics_snowplow_ecommerce_product_1[*].id"
time = "$.derived_tstamp"
event_id = "$.event_id"
kind = "$.unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1.type"
other_kinds = "ignore"
kinds = { product_view = "view", add_to_cart = "cart" }
""",
}
JARGON = re.compile(r"regex|\(byte |`str`|`int`|`array`|truncated")


def payload_of(case: dict[str, Any]) -> bytes | None:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    return None if case["value"] is None else case["value"].encode()


def form_of(case: dict[str, Any]) -> InputForm:
    return read_connect(CONNECT[case["connect"]])[case["topic"]] if "connect" in case else "auto"


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_what_a_shop_sends_is_used_or_refused_in_words(case: dict[str, Any]) -> None:
    payload, form = payload_of(case), form_of(case)
    parts = decode_record(payload, case["topic"], form, received_at=NOW, **LIMITS)
    (together,), *_ = decode_events([payload], [NOW], case["topic"], form, **LIMITS)
    assert isinstance(together, Several) == (len(parts) > 1)
    events = [part.event for part in parts]
    if "usable" in case:
        assert [
            [event.kind.value, event.user_id, list(event.product_ids)]
            for event in events
            if not isinstance(event, InvalidRecord)
        ] == case["usable"], events
        assert len(events) == len(case["usable"])
        return
    (refused,) = events
    assert isinstance(refused, InvalidRecord), refused
    assert refused.code == case["code"]
    assert re.search(case["reason"], str(refused)), refused
    assert not JARGON.search(str(refused))


def line(number: int) -> dict[str, Any]:
    """Return a line of an order with what Shopify sends of it."""
    money = {"amount": "12.00", "currency_code": "EUR"}
    price = {"shop_money": money, "presentment_money": money}
    tax = {"title": "VAT", "price": "2.00", "rate": 0.19, "price_set": price}
    return {
        "id": 12_000_000_000_000 + number,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{12_000_000_000_000 + number}",
        "product_id": 8_000_000_000_000 + number,
        "variant_id": 450_000_000_000 + number,
        "title": "A stoneware mug with a long name",
        "price_set": price,
        "total_discount_set": price,
        "tax_lines": [tax, tax, tax],
    }


def order(lines: int) -> bytes:
    return json.dumps(
        {
            "id": 820_982_911_946_154_508,
            "created_at": "2026-11-21T05:14:00-05:00",
            "customer": {"id": 207_119_551},
            "line_items": [line(number) for number in range(lines)],
        }
    ).encode()


def test_an_order_of_250_lines_is_taken_by_default() -> None:
    form = read_connect(CONNECT["shopify"])["purchases"]
    (part,) = decode_record(order(250), "purchases", form, received_at=NOW, **LIMITS)
    assert not isinstance(part.event, InvalidRecord), part.event
    assert len(part.event.product_ids) == 250
    assert len(order(250)) > 250_000


@pytest.mark.parametrize(
    ("limit", "code", "setting"),
    [("max_record_bytes", "oversized", "input.max_record_bytes"), ("max_products", "malformed", "input.max_products")],
)
def test_a_limit_is_named_by_what_it_refuses(limit: str, code: str, setting: str) -> None:
    form = read_connect(CONNECT["shopify"])["purchases"]
    (part,) = decode_record(order(20), "purchases", form, received_at=NOW, **LIMITS, **{limit: 19})
    assert isinstance(part.event, InvalidRecord)
    assert (part.event.code, setting in str(part.event)) == (code, True)


@pytest.mark.parametrize("payload", [
    b"{", b"[1]", b"3", b'"text"', b"not json", b"\x1f\x8b\x08", "{}".encode("utf-16"), b"\x00\x00\x00\x00\x01\x00\x02",
    b"\x00\x00\x00\x00\x01{", b'{"a":1e999}', b'{"a":' + b"9" * 6000 + b"}", b"{}{}", b'{"user_id":"a\\ud800"}',
    b"[" * 600_000, b'{"type":"track","event":3}', b'{"events":{}}', b'{"event_name":"view_item","items":[]}',
    b'{"event_id":"e","user_id":"u\xff","product_id":"p","time":1}',
    b'{"event_id":3,"user_id":"","time":true,"kind":"x"}',
    b'{"type":"track","event":"Product Viewed","messageId":"\xc2\xa0","properties":[]}',
    b'{"events":[{"name":"purchase","params":{"items":"[]"}}]}',
])  # fmt: skip
def test_no_reason_is_in_the_words_of_a_parser(payload: bytes) -> None:
    for part in decode_record(payload, "clicks", "auto", received_at=NOW, **LIMITS):
        assert isinstance(part.event, InvalidRecord)
        assert not JARGON.search(str(part.event)), part.event
