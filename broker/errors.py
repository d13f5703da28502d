"""Errors of topics and brokers.

BannerstreamError
├── ConfigurationError
│   ├── TopicMissing        a topic that this deployment needs does not exist
│   ├── TopicMismatch       topics that must have equally many partitions differ
│   ├── CertificateRefused  a certificate, the broker's or ours, is not trusted by the other side
│   ├── CredentialsRefused  the broker, or the token endpoint, refuses user, password or token
│   └── RightMissing        an ACL that this client needs is not granted
├── MessageTooLarge         one message is larger than the broker, or this client, accepts
└── ServiceUnavailable      (contracts.errors) no broker answers
    └── TokenUnavailable    there is no token to log in with
"""

from bannerstream.contracts.errors import BannerstreamError, ConfigurationError, ServiceUnavailable


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


class CertificateRefused(ConfigurationError):
    """A certificate is not trusted: the broker's by us, or ours by the broker.

    Operator action: the message names `kafka.ssl_cafile`, `kafka.ssl_certfile` or the name in the certificate.
    Retryable: no.
    """


class CredentialsRefused(ConfigurationError):
    """The broker refuses user, password or token, or the token endpoint refuses the client.

    Operator action: the message names the settings. After a change of passwords, start the service with the new one.
    Retryable: no.
    """


class RightMissing(ConfigurationError):
    """The cluster has ACLs, and this client lacks one.

    Operator action: grant what docs/production.md lists for the service.
    Retryable: no.
    """


class TokenUnavailable(ServiceUnavailable):
    """No token can be had to log in to the brokers with.

    Operator action: check the address that the message names, or the class of `kafka.token_source`.
    Retryable: yes.
    """


class MessageTooLarge(BannerstreamError):
    """One message is larger than the broker accepts.

    Operator action: raise `max.message.bytes` of the topic that the message names.
    Retryable: no.
    """


REFUSALS = (CertificateRefused, CredentialsRefused, RightMissing)
"""What the operator has to mend before a service can work. A service ends with it, unless it has worked before: then
credentials or rights may be changing, and it waits."""
