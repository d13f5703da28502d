"""The leaves that streams adds to the tree of errors.

ConfigurationError
├── TopicMismatch         clicks and purchases cannot be joined by partition
└── UnknownStateVersion   the changelog holds states that another version of Bannerstream wrote
BannerstreamError
└── Fenced                another process copies from the same partitions
InvalidRecord
├── BrokenState           one visitor's state in the changelog cannot be read
└── WrongKey              the record's Kafka key is not its visitor's id
"""

from bannerstream.contracts.errors import BannerstreamError, ConfigurationError, InvalidRecord


class UnknownStateVersion(ConfigurationError):
    """A packed state starts with a version byte that this Bannerstream does not know.

    Operator action: run the version that wrote it, or set another `streams.app_id` to begin with empty tables.
    Retryable: no.
    """


class Fenced(BannerstreamError):
    """Another process has taken over what this one was copying; nothing was written twice.

    Operator action: after a pause of this process none but to start it again. If it comes back, two deployments have
    the same `streams.app_id`.
    Retryable: by a restart.
    """


class BrokenState(InvalidRecord):
    """One visitor's state in the changelog is damaged: of this version, but not readable.

    Operator action: write a tombstone for that key to the changelog, so that the visitor begins anew; then
    `bannerstream dlq replay --code broken_state`.
    """

    code = "broken_state"


class WrongKey(InvalidRecord):
    """The record's Kafka key is not the id of the visitor that its event names.

    Operator action: key `clicks` and `purchases` by the visitor's id, so that all of a visitor's events share one
    partition, and send the events again from their source: `bannerstream dlq replay` keeps the wrong key.
    """

    code = "wrong_key"
