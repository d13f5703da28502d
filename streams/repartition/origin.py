"""Where a record of the repartitioned topic comes from: one header that names the shop's record.

Two topics meet in one there, so a record's topic does not say its role; and dead letters, times of arrival and whoever
looks for an event need the record that the shop wrote.
"""

from collections.abc import Iterable
from typing import NamedTuple

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.inputs import Source

HEADER = "bannerstream_source"


class Origin(NamedTuple):
    """The shop's record. As a header: `clicks/shop.clicks/3/1207/1769860800000`; no topic name holds a slash."""

    source: Source
    topic: str
    partition: int
    offset: int
    timestamp: int
    """Epoch milliseconds: the record's own time in Kafka."""

    def header(self) -> tuple[str, bytes]:
        """Return the header that says it."""
        return HEADER, f"{self.source}/{self.topic}/{self.partition}/{self.offset}/{self.timestamp}".encode()


def parse_origin(headers: Iterable[tuple[str, bytes | None]]) -> Origin:
    """Return where a record of the repartitioned topic comes from.

    Raises:
        MalformedRecord: no header says it: somebody else wrote the record.
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
