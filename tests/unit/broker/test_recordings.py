import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.broker.recordings import RecordedEvent, parse_events, parse_line, read_lines, retimed
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs import decode_event

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"topic":"clicks","key":"u","value":{"a": 1.50}}', RecordedEvent("clicks", b"u", b'{"a": 1.50}')),
        ('{"topic":"purchases","raw":"{cut off"}', RecordedEvent("purchases", None, b"{cut off")),
        ('{"topic":"clicks","key":null,"value_b64":"/wA="}', RecordedEvent("clicks", None, b"\xff\x00")),
        ('{"topic":"clicks","at":"1970-01-01T00:00:01Z","raw":""}', RecordedEvent("clicks", None, b"", 1000)),
        ('{"topic":"clicks","at":5,"value":null}', RecordedEvent("clicks", None, b"null", 5)),
    ],
)
def test_a_line_holds_any_record(line: str, expected: RecordedEvent) -> None:
    assert parse_line(line.encode(), 1) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "line 7"),
        (b"[1]", "Expected `object`"),
        (b'{"topic":"orders","raw":""}', "orders"),
        (b'{"topic":"clicks"}', "exactly one of `value`, `raw` and `value_b64`"),
        (b'{"topic":"clicks","raw":"","value":1}', "exactly one"),
        (b'{"topic":"clicks","value_b64":"*"}', "line 7"),
        (b'{"topic":"clicks","raw":"","at":"2026-01-31T12:00:00"}', "no time zone"),
        (b'{"event_id":"e-1"}', "line 7"),
        (b'{"topic":"clicks","raw":"\xff"}', "line 7"),
    ],
)
def test_a_wrong_line_is_named(line: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_line(line, 7)


@given(st.sampled_from(["clicks", "purchases"]), st.none() | st.text(), st.binary())
def test_any_bytes_can_be_recorded(topic: str, key: str | None, value: bytes) -> None:
    import base64

    line = json.dumps({"topic": topic, "key": key, "value_b64": base64.b64encode(value).decode()})
    assert parse_line(line.encode(), 1) == RecordedEvent(topic, None if key is None else key.encode(), value)  # type: ignore[arg-type]


@given(st.binary(max_size=80))
def test_any_line_is_a_record_or_a_configuration_error(line: bytes) -> None:
    try:
        parse_line(line, 1)
    except ConfigurationError as error:
        assert "line 1" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("event", "source", "key"),
    [
        ({"event_id": "e", "user_id": "u-7", "product_id": "p", "time": 1}, "clicks", b"u-7"),
        ({"event_id": "e", "user_id": "u-7", "product_id": "p", "time": 1, "kind": "purchase"}, "purchases", b"u-7"),
        (
            {"client_id": "c", "events": [{"name": "purchase", "params": {"items": [{"item_id": 1}]}}]},
            "purchases",
            b"c",
        ),
        ({"what": "ever"}, "clicks", None),
    ],
)
def test_a_bare_event_goes_where_its_kind_belongs_under_its_visitor(
    event: dict[str, Any], source: str, key: bytes | None
) -> None:
    line = json.dumps(event).encode()
    assert parse_events(line + b"\n", "auto", NOW) == [RecordedEvent(source, key, line)]  # type: ignore[arg-type]


def test_a_recording_moves_in_time_as_a_whole() -> None:
    day = 86_400_000
    old = NOW - 500 * day
    events: list[dict[str, Any]] = [
        {"event_id": "e", "user_id": "u", "product_id": "p", "time": old - 10},
        {"event_id": "e", "user_id": "u", "product_id": "p", "time": "2025-09-02T08:00:00+02:00"},
        {
            "type": "track", "event": "Product Viewed", "messageId": "m", "userId": "u",
            "timestamp": "2025-09-02T08:00:00.250Z", "properties": {"product_id": "p"},
        },
        {
            "client_id": "c", "timestamp_micros": (old - 20) * 1000,
            "events": [
                {"name": "view_item", "params": {"items": [{"item_id": "p"}]}, "timestamp_micros": f"{old - 30}000"}
            ],
        },
    ]  # fmt: skip

    def times(records: list[RecordedEvent]) -> list[int]:
        ages = {"received_at": NOW + day, "max_future_ms": 0, "max_age_ms": 10**15}
        return [decode_event(each.value, "clicks", "auto", **ages).occurred_at for each in records]  # type: ignore[arg-type]

    recorded = [
        RecordedEvent("clicks", b"u", json.dumps(event).encode(), old - 9 + 3 * n) for n, event in enumerate(events)
    ]
    moved = retimed(recorded, NOW)
    assert [each.at for each in moved] == [NOW - 9, NOW - 6, NOW - 3, NOW]
    assert times(moved) == [each + 500 * day for each in times(recorded)]


def test_what_has_no_time_stays_byte_by_byte() -> None:
    values = [b"{cut off", b"\xff", b"[1, 2]", b'{"time":  "soon"}', b'{"time":true, "events": 3}', b"[" * 5000]
    recorded = [RecordedEvent("clicks", b"u", value, 5) for value in values]
    assert [each.value for each in retimed(recorded, NOW)] == values


_json = st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)
_fields = st.sampled_from(["time", "timestamp", "timestamp_micros", "event_timestamp", "events", "other"])
_times = st.sampled_from(["9999-12-31T23:59:59Z", "9" * 5000, "123", 10**40, -5])


@given(st.dictionaries(_fields, _json | _times))
def test_moving_in_time_takes_anything(event: dict[str, Any]) -> None:
    recorded = RecordedEvent("clicks", b"u", json.dumps(event).encode(), 5)
    assert len(retimed([recorded], NOW)) == 1


def test_a_recording_without_times_of_sending_cannot_be_moved() -> None:
    with pytest.raises(ConfigurationError, match="`at`"):
        retimed([RecordedEvent("clicks", b"u", b"{}")], NOW)


def test_files_are_read_plain_and_compressed(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b"1\n2\n")
    packed.write_bytes(gzip.compress(b"1\n2\n"))
    assert list(read_lines(plain)) == list(read_lines(packed)) == [b"1\n", b"2\n"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b"1\n" * 1000)[:30])
    plain = tmp_path / "plain.gz"
    plain.write_bytes(b"1\n")
    for path in (tmp_path / "gone.jsonl", cut, plain):
        with pytest.raises(ConfigurationError, match=path.name):
            list(read_lines(path))
