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

    def header(self) -> tuple[str, bytes]:
        """Return the header for it."""
        return HEADER, f"{self.source}/{self.topic}/{self.partition}/{self.offset}/{self.timestamp}".encode()


def parse_origin(headers: Iterable[tuple[str, bytes | None]]) -> Origin:
    """Parse the origin of a record in the repartitioned topic from its headers.

    Raises:
        MalformedRecord: the header is missing or malformed: another program wrote the record.
    """
    for name, value in headers:
        if name == HEADER and value is not None:
            try:
                source, topic, partition, offset, timestamp = value.decode().split("/")
                if source in {"clicks", "purchases"}:
                    return Origin(source, topic, int(partition), int(offset), int(timestamp))  # type: ignore[arg-type]
            except ValueError:
                break
    raise MalformedRecord(f"the header {HEADER} is missing or wrong: only streams writes to the repartitioned topic")
