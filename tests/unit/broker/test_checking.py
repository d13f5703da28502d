"""What the stream would make of records, and that nothing of a visitor is shown."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.broker.record_check import EXCERPT_CHARACTERS, Check, check_records, excerpt
from bannerstream.broker.topic_sample import codecs_of
from bannerstream.contracts.inputs import read_connect

NOW = 1_769_860_800_000


@dataclass
class Record:
    value: bytes | None
    key: bytes | None = None
    offset: int = 0
    timestamp: int = NOW
    topic: str = "shop.clicks"
    partition: int = 2


def event(user: str = "u-7", product: str = "mug-3", **changes: object) -> bytes:
    fields = {"event_id": "e-1", "user_id": user, "product_id": product, "time": NOW - 1500}
    return json.dumps(fields | changes).encode()


def check(*records: Record, must_be_keyed: bool = True) -> Check:
    return check_records(
        records, "clicks", "auto", must_be_keyed=must_be_keyed, max_future_ms=300_000, max_age_ms=10**12
    )


def test_counts_what_can_be_used() -> None:
    found = check(
        Record(event(), b"u-7"),
        Record(event(kind="cart", product="pan"), b"u-7"),
        Record(event("u-8", time=NOW + 500), b"u-8"),
    )
    assert (found.usable, found.dead_letters, found.findings) == (3, 0, [])
    assert found.kinds == {"click": 2, "cart": 1}
    assert (found.users, found.products) == ({"u-7", "u-8"}, {"mug-3", "pan"})
    assert found.delay_s() == {"least": -0.5, "median": 1.5, "greatest": 1.5}


def test_groups_what_cannot_by_code_and_field_with_an_example() -> None:
    found = check(
        Record(event(kind="wish"), b"u-7", offset=4),
        Record(b"not json", offset=5),
        Record(event(kind="hope"), b"u-7", offset=6),
        Record(None, offset=7),
    )
    assert [(each.count, each.code, each.field, each.example) for each in found.findings] == [
        (2, "malformed", "$.kind", "shop.clicks/2@4"),
        (1, "malformed", "$", "shop.clicks/2@5"),
        (1, "tombstone", "$", "shop.clicks/2@7"),
    ]
    assert (found.usable, found.dead_letters) == (0, 4)
    assert found.delay_s() is None


def test_a_wrong_key_is_a_dead_letter_unless_the_topic_is_repartitioned() -> None:
    records = [Record(event(), b"u-7"), Record(event(), None), Record(event(), b"other")]
    strict = check(*records)
    assert (strict.usable, strict.keyed, strict.read) == (1, 1, 3)
    assert [(each.count, each.code) for each in strict.findings] == [(2, "wrong_key")]
    routed = check(*records, must_be_keyed=False)
    assert (routed.usable, routed.keyed, routed.findings) == (3, 1, [])


def test_what_is_passed_over_is_told_and_no_dead_letter() -> None:
    form = read_connect('[clicks]\nuser = "$.u"\nproduct = "$.p"\nkind = "$.k"\nother_kinds = "ignore"')["clicks"]
    found = check_records(
        [Record(b'{"k":"scroll"}')], "clicks", form, must_be_keyed=True, max_future_ms=1, max_age_ms=1
    )
    assert [(each.code, each.field) for each in found.findings] == [("ignored", "$.k")]
    assert "'scroll'" in found.findings[0].reason
    assert found.dead_letters == 0


def test_excerpts_show_shape_and_no_content() -> None:
    assert excerpt(event("jane.doe@example.com", None, x=[1.5, True, None])) == (  # type: ignore[arg-type]
        '{"event_id": "x-0", "user_id": "xxxx.xxx@xxxxxxx.xxx", "product_id": null, "time": 0000000000000, '
        '"x": [0.0, true, null]}'
    )
    assert excerpt(b'{"user_id": "jane') == '{"xxxx_xx": "xxxx'
    assert excerpt(None) == "null"


@given(
    st.recursive(
        st.text(min_size=3) | st.integers(100), lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner)
    )
)
def test_no_excerpt_holds_a_letter_or_digit_of_a_value(value: object) -> None:
    shown = excerpt(json.dumps(value).encode())
    assert len(shown) <= EXCERPT_CHARACTERS
    assert not {each for each in shown if each.isalpha() or each.isdigit()} - set("xk0")


def test_reasons_quote_nothing_of_a_visitor() -> None:
    found = check(Record(event(time="jane.doe at noon"), b"u-7"), Record(event("jane doe"), b"x", offset=1))
    assert all("jane" not in each.reason + each.excerpt for each in found.findings)
    assert len(found.findings) == 2


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", None])
def test_codecs_are_read_from_the_batches_even_where_the_last_is_cut_off(codec: str | None) -> None:
    from aiokafka.record.default_records import DefaultRecordBatchBuilder

    number = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}[codec]
    builder = DefaultRecordBatchBuilder(
        2, number, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=1000
    )
    builder.append(0, NOW, None, b"x" * 300, [])
    batch = bytes(builder.build())
    assert list(codecs_of(batch + batch + batch[:-1])) == [codec or "none"] * 2
    assert list(codecs_of(batch[:10])) == []


@pytest.mark.parametrize("magic", [0, 1])
def test_codecs_of_old_message_sets_are_read(magic: int) -> None:
    from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

    builder = LegacyRecordBatchBuilder(magic, 1, 1000)
    builder.append(0, timestamp=NOW, key=None, value=b"x" * 300)
    assert list(codecs_of(bytes(builder.build()))) == ["gzip"]
