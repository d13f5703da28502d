"""The origin of a record in the repartitioned topic: one header that names the shop's record.

The repartitioned topic merges two topics, so a record's topic does not show its source; and dead letters, arrival times
and people who look for an event need the shop's record.
"""

from collections.abc import Iterable
from typing import NamedTuple

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.inputs import Source

HEADER = "bannerstream_source"


class Origin(NamedTuple):
    """The shop's record. As a header: `clicks/shop.clicks/3/1207/1769860800000`; topic names cannot contain a slash."""

    source: Source
    topic: str
    partition: int
    offset: int
    timestamp: int
    """Epoch milliseconds: the record's own time in Kafka."""
    part: int | None = None
    """Which event of the record, from 1, where it holds several; the header ends in `/2` then."""

    def header(self) -> tuple[str, bytes]:
        """Return the header for it."""
        return HEADER, "/".join(str(field) for field in self if field is not None).encode()


def parse_origin(headers: Iterable[tuple[str, bytes | None]]) -> Origin:
    """Parse the origin of a record in the repartitioned topic from its headers.

    Raises:
        MalformedRecord: the header is missing or malformed: another program wrote the record.
    """
    for name, value in headers:
        if name == HEADER and value is not None:
            try:
                source, topic, partition, offset, timestamp, *parts = value.decode().split("/")
                if source in {"clicks", "purchases"} and len(parts) <= 1:
                    part = int(parts[0]) if parts else None
                    return Origin(source, topic, int(partition), int(offset), int(timestamp), part)  # type: ignore[arg-type]
            except ValueError:
                break
    raise MalformedRecord(f"the header {HEADER} is missing or wrong: only streams writes to the repartitioned topic")
