"""A dead letter: the original bytes unchanged, with origin and reason in its headers."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from bannerstream.contracts.cloudevents import CloudEvent, Headers

MAX_REASON_BYTES = 1000
MAX_KEPT_BYTES = 900_000
"""Bytes of the original's value that are kept: below the brokers' default limit of 1 MiB per message."""
MAX_KEPT_KEY_BYTES = 100_000
"""Bytes of its key: a longer one would make the letter itself too large, and the bad record would block streams."""

_PREFIX = "dlq_"


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One record, or one event of a record, that could not be used."""

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    code: str
    """The `code` of the `InvalidRecord` that stopped it, or `internal` for an unexpected error."""
    reason: str
    failed_at: int
    truncated_from: int | None = None
    """The original's size in bytes, key and value, when it was too long to keep whole; it cannot be replayed."""
    part: int | None = None
    """Which event of the record, from 1, where it holds several: the value is a record of that event alone."""

    def headers(self) -> Headers:
        """Return the headers: a CloudEvent about the rejected record, and every field but key and value."""
        event = CloudEvent(
            id=f"{self.partition}@{self.offset}" + ("" if self.part is None else f".{self.part}"),
            type="dead_letter",
            source=f"/topics/{self.topic}",
            time=self.failed_at,
            subject=self.code,
            content_type="application/octet-stream",  # the original's bytes, whatever they are
        )
        fields = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "code": self.code,
            "reason": self.reason.encode(errors="replace")[:MAX_REASON_BYTES].decode(errors="ignore"),
            "failed_at": self.failed_at,
        }
        if self.truncated_from is not None:
            fields["truncated_from"] = self.truncated_from
        if self.part is not None:
            fields["part"] = self.part
        return event.headers() + [(_PREFIX + name, str(value).encode()) for name, value in fields.items()]

    @property
    def bare(self) -> bool:
        """Whether it carries nothing of the original."""
        return self.key is None and not self.value

    def without_original(self) -> "DeadLetter":
        """Return the letter with its headers only, for a topic that rejects it for its size.

        Its value is empty, not missing: aiokafka's producer rejects a record without key and value.
        """
        size = len(self.key or b"") + len(self.value or b"")
        return replace(self, key=None, value=b"", truncated_from=self.truncated_from or size)

    @classmethod
    def of(
        cls,
        *,
        key: bytes | None,
        value: bytes | None,
        topic: str,
        partition: int,
        offset: int,
        code: str,
        reason: str,
        now: int,
        part: int | None = None,
    ) -> "DeadLetter":
        """Return the letter for a record, its key and value cut to what a broker accepts."""
        kept_key = None if key is None else key[:MAX_KEPT_KEY_BYTES]
        kept_value = None if value is None else value[:MAX_KEPT_BYTES]
        return cls(
            key=kept_key,
            value=kept_value,
            topic=topic,
            partition=partition,
            offset=offset,
            code=code,
            reason=reason,
            failed_at=now,
            part=part,
            truncated_from=None if (kept_key, kept_value) == (key, value) else len(key or b"") + len(value or b""),
        )

    @classmethod
    def from_record(
        cls, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
    ) -> "DeadLetter":
        """Return the letter that a record of the dead-letter topic carries.

        Raises:
            ValueError: a header is missing or not a number where it must be one.
        """
        fields = {
            name.removeprefix(_PREFIX): text.decode()
            for name, text in headers
            if name.startswith(_PREFIX) and text is not None
        }
        missing = {"topic", "partition", "offset", "code", "reason", "failed_at"} - fields.keys()
        if missing:
            raise ValueError(f"not a dead letter: headers {sorted(_PREFIX + name for name in missing)} are missing")
        return cls(
            key=key,
            value=value,
            topic=fields["topic"],
            partition=int(fields["partition"]),
            offset=int(fields["offset"]),
            code=fields["code"],
            reason=fields["reason"],
            failed_at=int(fields["failed_at"]),
            truncated_from=int(fields["truncated_from"]) if "truncated_from" in fields else None,
            part=int(fields["part"]) if "part" in fields else None,
        )
