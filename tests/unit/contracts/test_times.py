from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.times import MAX_EPOCH_MS, epoch_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00Z", 1769860800000),
        ("2026-01-31T14:00:00+02:00", 1769860800000),
        ("2026-01-31T06:30:00-05:30", 1769860800000),
        ("2026-01-31T12:00:00.1Z", 1769860800100),
        ("2026-01-31T13:00:00+0100", 1769860800000),
        ("2026-01-31T12:00:00.123456789Z", 1769860800123),
        ("2026-01-31 12:00:00z", 1769860800000),
        ("2026-01-31t12:00:00-00:00", 1769860800000),
        ("2016-12-31T23:59:60Z", 1483228800000),
        ("2016-12-31T23:59:60.999Z", 1483228800000),
        ("9999-12-31T23:59:59.999Z", MAX_EPOCH_MS),
    ],
)
def test_reads_rfc_3339(text: str, expected: int) -> None:
    assert epoch_ms(text) == expected


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00", "2026-01-31 12:00:00.5"])
def test_refuses_a_time_without_zone_and_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="no time zone: append `Z`"):
        epoch_ms(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-31",
        "1769860800000",
        "2026-1-31T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00Z\n",
        "٢٠٢٦-01-31T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="a time"):
        epoch_ms(text)


@given(
    st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(9999, 12, 29)),  # noqa: DTZ001
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_agrees_with_the_standard_library(moment: datetime, offset_minutes: int) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    exact = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert epoch_ms(there.isoformat()) == exact


@given(
    st.one_of(st.text(max_size=40), st.integers(), st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"))
)
def test_a_time_or_a_value_error_and_nothing_else(time: str | int) -> None:
    try:
        result = epoch_ms(time)
    except ValueError:
        return
    assert 0 <= result <= MAX_EPOCH_MS
