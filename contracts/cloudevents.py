"""CloudEvents 1.0 in Kafka's binary content mode: attributes travel as `ce_*` headers.

Source: CloudEvents Kafka Protocol Binding 1.0.2, §3.2.
"""

from datetime import UTC, datetime

from msgspec import Struct

TYPE_PREFIX = "io.bannerstream."

Headers = list[tuple[str, bytes]]


class CloudEvent(Struct, frozen=True, kw_only=True):
    """The attributes of one event. `id` with `source` is unique: a repeat of an event keeps its id."""

    id: str
    type: str
    source: str
    time: int
    """Epoch milliseconds."""
    subject: str | None = None

    def headers(self) -> Headers:
        """Return the Kafka headers of this event, its content type included."""
        when = datetime.fromtimestamp(self.time / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        attributes = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_type", TYPE_PREFIX + self.type),
            ("ce_source", self.source),
            ("ce_time", when),
            ("content-type", "application/json"),
        ]
        if self.subject is not None:
            attributes.append(("ce_subject", self.subject))
        return [(name, value.encode()) for name, value in attributes]
