"""CloudEvents 1.0 in Kafka's binary content mode: attributes travel as `ce_*` headers.

Source: CloudEvents Kafka Protocol Binding 1.0.2, §3.2.
"""

from msgspec import Struct

from contracts.times import rfc3339

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
    content_type: str = "application/json"

    def headers(self) -> Headers:
        """Return the Kafka headers of this event, its content type included."""
        attributes = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_type", TYPE_PREFIX + self.type),
            ("ce_source", self.source),
            ("ce_time", rfc3339(self.time)),
            ("content-type", self.content_type),
        ]
        if self.subject is not None:
            attributes.append(("ce_subject", self.subject))
        return [(name, value.encode()) for name, value in attributes]
