"""The error tree of this project.

    BannerstreamError
    ├── ConfigurationError          a setting or the environment is wrong; nothing was started
    ├── InvalidRecord               one record from outside cannot be used; it becomes a dead letter
    │   ├── MalformedRecord         the bytes do not match the format
    │   │   └── Tombstone           there are none
    │   ├── OversizedRecord         more bytes than the limit
    │   ├── UnsupportedEvent        well-formed, but not an event that moves affinities
    │   │   └── IgnoredEvent        of a kind that the shop ignores: not even a dead letter
    │   ├── UnknownProduct          names a product that the catalogue does not hold
    │   └── ImplausibleTime         its time lies too far in the future or the past
    └── ServiceUnavailable          a broker or a store does not answer; trying again may help

Each package adds its own leaves in its `errors.py`.
"""

from typing import ClassVar


class BannerstreamError(Exception):
    """Base of every error raised on purpose. The message states what the operator should do."""


class ConfigurationError(BannerstreamError):
    """A setting, a file or the environment is wrong.

    Operator action: the message names the setting and a valid example.
    Retryable: no.
    """


class ServiceUnavailable(BannerstreamError):
    """A broker or a store does not answer.

    Operator action: check the address that the message names.
    Retryable: yes.
    """


class InvalidRecord(BannerstreamError):
    """One record from outside cannot be used. `code` is stable and goes to the dead-letter topic."""

    code: ClassVar[str] = "invalid"


class MalformedRecord(InvalidRecord):
    """The bytes are not valid JSON, or a field has the wrong type or is out of its bounds."""

    code = "malformed"


class Tombstone(MalformedRecord):
    """The record has no value: what a compacted topic, or Debezium, writes for a row that was deleted."""

    code = "tombstone"


class OversizedRecord(InvalidRecord):
    """The record has more bytes than `input.max_record_bytes`."""

    code = "oversized"


class UnsupportedEvent(InvalidRecord):
    """A well-formed event that moves no affinity: a page view, or an order that names no product."""

    code = "unsupported"


class IgnoredEvent(UnsupportedEvent):
    """An event of a kind that the shop's `connect.toml` ignores: counted, not a dead letter."""

    code = "ignored"


class UnknownProduct(InvalidRecord):
    """The record names a product that the catalogue does not hold.

    Operator action: load the product, then `bannerstream dlq replay --code unknown_product`.
    """

    code = "unknown_product"


class ImplausibleTime(InvalidRecord):
    """The record's time lies further in the future, or the past, than the settings allow."""

    code = "implausible_time"
