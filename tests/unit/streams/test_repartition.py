"""Routing records to the repartitioned topic, and the origin header of a copy."""

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.inputs import read_connect
from bannerstream.streams.repartition import Origin, parse_origin
from bannerstream.streams.repartition.routing import InputRules, Routed, route

NOW = 1_769_860_800_000
READING = InputRules(forms={"clicks": "auto", "purchases": "auto"}, max_future_ms=0, max_age_ms=10**12)


def record(value: bytes | None, offset: int = 0, key: bytes | None = None) -> ConsumerRecord:
    return ConsumerRecord("shop.clicks", 3, offset, NOW, 0, key, value, None, 0, 0, ())


def event(user: str, number: int = 0, **changes: Any) -> bytes:
    event_fields = {"event_id": f"e-{number}", "user_id": user, "product_id": "mug", "time": NOW}
    return json.dumps(event_fields | changes).encode()


async def sort(*records: ConsumerRecord, reading: InputRules = READING) -> Routed:
    return await route(records, "clicks", reading, partitions=4, letter_partitions=2, now_ms=NOW)


async def test_each_visitor_goes_to_the_partition_of_javas_partitioner_in_order() -> None:
    records = [record(event(f"u-{number % 40}", number), number) for number in range(1000)]
    done = await sort(*records)
    assert done.letters == {}
    assert sum(len(each) for each in done.copies.values()) == 1000
    for partition, copies in done.copies.items():
        assert all((murmur2(each.key) & 0x7FFFFFFF) % 4 == partition for each in copies)
        offsets = [each.origin.offset for each in copies]
        assert offsets == sorted(offsets)
    first = next(each for each in done.copies[(murmur2(b"u-0") & 0x7FFFFFFF) % 4] if each.origin.offset == 0)
    assert (first.key, first.value) == (b"u-0", records[0].value)
    assert first.origin == Origin("clicks", "shop.clicks", 3, 0, NOW)


async def test_what_cannot_be_read_is_a_letter_and_an_unknown_product_is_not() -> None:
    done = await sort(
        record(event("u", product_id="never heard of"), 0),
        record(event("u", product_id="unheard-of"), 1),
        record(None, 2),
        record(b"{", 3, b"k"),
        record(event("u", time=NOW + 1), 4),
    )
    letters = {each.offset: each.code for some in done.letters.values() for each in some}
    assert letters == {0: "malformed", 2: "tombstone", 3: "malformed", 4: "implausible_time"}
    assert [each.origin.offset for some in done.copies.values() for each in some] == [1]
    assert set(done.letters) <= {0, 1}


async def test_each_event_of_a_record_goes_to_its_own_visitor() -> None:
    def call(user: object, **changes: Any) -> dict[str, Any]:
        properties = {"product_id": "mug"}
        return {"type": "track", "event": "Product Viewed", "messageId": f"m-{user}", "userId": user,
                "timestamp": "2026-01-31T12:00:00Z", "properties": properties} | changes  # fmt: skip

    bad = call("eve", timestamp="yesterday")
    batch = json.dumps({"batch": [call("ada"), bad, call(4711), {"type": "page"}]}).encode()
    done = await sort(record(batch, 7, b"any"))
    copies = [copy for copies in done.copies.values() for copy in copies]
    assert {copy.key: json.loads(copy.value) for copy in copies} == {b"ada": call("ada"), b"4711": call(4711)}
    assert {copy.key: copy.origin.part for copy in copies} == {b"ada": 1, b"4711": 3}
    assert all(copy.key.decode() == str(json.loads(copy.value)["userId"]) for copy in copies)
    ((letter,),) = done.letters.values()
    assert (letter.offset, letter.part, letter.code, json.loads(letter.value or b"")) == (7, 2, "malformed", bad)
    assert await sort(*[record(copy.value, 7) for copy in copies]) == await sort(
        record(json.dumps(call("ada")).encode(), 7), record(json.dumps(call(4711)).encode(), 7)
    )


async def test_what_the_shop_wants_passed_over_is_counted_and_goes_nowhere() -> None:
    form = read_connect('[clicks]\nuser = "$.u"\nproduct = "$.p"\nkind = "$.k"\nother_kinds = "ignore"')["clicks"]
    reading = InputRules(forms={"clicks": form, "purchases": "auto"}, max_future_ms=0, max_age_ms=0)
    done = await sort(record(b'{"k":"scroll"}'), record(b'{"k":"view","u":"u","p":"p"}', 1), reading=reading)
    assert (done.ignored, done.letters) == (1, {})
    assert [each.key for some in done.copies.values() for each in some] == [b"u"]


@given(
    st.builds(
        Origin,
        st.sampled_from(["clicks", "purchases"]),
        st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True),
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(-1, 2**63 - 1),
        st.none() | st.integers(1, 10_000),
    )
)
def test_an_origin_is_read_from_its_header_among_others(origin: Origin) -> None:
    assert parse_origin([("other", b"x"), ("empty", None), origin.header()]) == origin


@pytest.mark.parametrize("value", [None, b"", b"clicks/t/1/2", b"clicks/t/1/2/x", b"cats/t/1/2/3", b"\xff/t/1/2/3"])
def test_a_record_that_streams_did_not_write_is_malformed(value: bytes | None) -> None:
    with pytest.raises(MalformedRecord, match="bannerstream_source is missing or wrong"):
        parse_origin([("bannerstream_source", value)])
    with pytest.raises(MalformedRecord):
        parse_origin([])
