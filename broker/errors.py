"""Errors of topics and brokers.

BannerstreamError
├── ConfigurationError
│   ├── TopicMissing        a topic that this deployment needs does not exist
│   └── TopicMismatch       topics that must have equally many partitions differ
├── MessageTooLarge         one message is larger than the broker, or this client, accepts
└── ServiceUnavailable      (contracts.errors) no broker answers
"""

from bannerstream.contracts.errors import BannerstreamError, ConfigurationError


class TopicMissing(ConfigurationError):
    """A topic that this deployment needs does not exist.

    Operator action: `bannerstream topics create`, or set its name under `kafka.topics`.
    Retryable: no.
    """


class TopicMismatch(ConfigurationError):
    """clicks, purchases and the changelog differ in partitions, so one visitor would live in two tables.

    Operator action: recreate the topic that the message names with the others' count, or, where it is clicks or
    purchases, set `streams.repartition = true`.
    Retryable: no.
    """


class MessageTooLarge(BannerstreamError):
    """One message is larger than the broker accepts.

    Operator action: raise `max.message.bytes` of the topic that the message names.
    Retryable: no.
    """
