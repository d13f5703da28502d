"""The errors that streams adds to the tree.

ConfigurationError
├── TopicMismatch         clicks and purchases cannot be joined by partition
└── UnknownStateVersion   another version of Bannerstream wrote states in the changelog
BannerstreamError
└── Fenced                another process copies from the same partitions
InvalidRecord
├── BrokenState           one visitor's state in the changelog cannot be read
└── WrongKey              the record's Kafka key is not its visitor's id
"""

from bannerstream.contracts.errors import BannerstreamError, ConfigurationError, InvalidRecord


class UnknownStateVersion(ConfigurationError):
    """A packed state starts with a version byte that this Bannerstream does not know.

    Operator action: run the version that wrote it, or set another `streams.app_id` to start with empty tables.
    Retryable: no.
    """


class Fenced(BannerstreamError):
    """Another process has taken over a partition that this one was copying; nothing was written twice.

    Operator action: restart this process if it was paused. If the error comes back, two deployments share one
    `streams.app_id`.
    Retryable: by a restart.
    """


class BrokenState(InvalidRecord):
    """One visitor's state in the changelog has a known version but cannot be decoded.

    Operator action: erase the visitor with `bannerstream erase`, which replaces the damaged state also in a running
    worker; then `bannerstream dlq replay --code broken_state`.
    """

    code = "broken_state"


class WrongKey(InvalidRecord):
    """The record's Kafka key is not the id of the visitor that its event names.

    Operator action: key `clicks` and `purchases` by the visitor's id, so that all of a visitor's events share one
    partition, and send the events again from their source: `bannerstream dlq replay` keeps the wrong key.
    """

    code = "wrong_key"
