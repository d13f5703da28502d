"""Converts times from outside to epoch milliseconds (UTC), the only form inside.

Accepted are epoch milliseconds (an integer) and RFC 3339 with its time zone. A time without a zone is rejected: read
as UTC it would be hours off for most shops, unnoticed.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

MAX_EPOCH_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, where RFC 3339 ends."""

_RFC3339 = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[Tt ]"
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?"
    r"(?:(?P<utc>[Zz])|(?P<sign>[+-])(?P<offset_hours>\d\d):?(?P<offset_minutes>\d\d))?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def epoch_ms(time: int | str) -> int:
    """Return a time as epoch milliseconds; digits of a fraction past the third are cut.

    RFC 3339 §5.6 in full, its leap second (`:60`) included, which is read as the first instant of the next minute; and
    offsets without a colon (`+0200`), which strftime's `%z` writes.

    Raises:
        ValueError: not an RFC 3339 time, no time zone, or before 1970 or after 9999; names which.
    """
    if isinstance(time, str):
        time = _from_rfc3339(time)
    if not 0 <= time <= MAX_EPOCH_MS:
        raise ValueError("a time lies between 1970 and 9999")
    return time


def rfc3339(time: int) -> str:
    """Return epoch milliseconds as RFC 3339 in UTC, `2026-01-31T12:00:00.123Z`.

    Raises:
        ValueError: before 1970 or after 9999.
    """
    if not 0 <= time <= MAX_EPOCH_MS:
        raise ValueError("a time lies between 1970 and 9999")
    # Not `fromtimestamp(time / 1000)`: from the year 2400 on, its float loses milliseconds.
    return (_EPOCH + time * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _from_rfc3339(text: str) -> int:
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text[:40]!r} is not a time: write `2026-01-31T12:00:00Z` or epoch milliseconds")
    if not parts["utc"] and not parts["sign"]:
        raise ValueError(f"{text!r} has no time zone: append `Z` for UTC, or an offset such as `+02:00`")
    second = int(parts["second"])
    leap = second == 60
    try:
        moment = datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            int(parts["hour"]),
            int(parts["minute"]),
            second - leap,
            tzinfo=_zone(parts),
        )
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}") from error
    if leap:
        return (moment - _EPOCH) // _MILLISECOND + 1000
    return (moment - _EPOCH) // _MILLISECOND + int((parts["fraction"] or "").ljust(3, "0")[:3])


def _zone(parts: re.Match[str]) -> timezone:
    if parts["utc"]:
        return UTC
    hours, minutes = int(parts["offset_hours"]), int(parts["offset_minutes"])
    if hours > 23 or minutes > 59:
        raise ValueError("an offset lies between -23:59 and +23:59")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if parts["sign"] == "-" else offset)
