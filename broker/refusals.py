"""What a failure of a Kafka client means, in one sentence with what to do."""

import ssl
from collections.abc import Iterator

from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    RecordTooLargeError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from bannerstream.broker.errors import CertificateRefused, CredentialsRefused, MessageTooLarge, RightMissing
from bannerstream.broker.handshake import last_failure
from bannerstream.contracts.errors import BannerstreamError, ServiceUnavailable
from bannerstream.settings.kafka import KafkaSettings

_LOGIN = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
_RESOURCES = {
    TopicAuthorizationFailedError: "the topic",
    GroupAuthorizationFailedError: "the group",
    TransactionalIdAuthorizationFailed: "the transactional id",
    ClusterAuthorizationFailedError: "the cluster, not even to write to one topic",
}
_UNCONNECTED = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError)
_WRONG_NAME = {62, 64}
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


def translated(settings: KafkaSettings, error: KafkaError | OSError) -> BannerstreamError:
    """Return our error for one of aiokafka's, or of the socket's."""
    where = settings.bootstrap_servers
    if isinstance(error, MessageSizeTooLargeError | RecordTooLargeError):
        return MessageTooLarge(f"{where} refuses a message for its size: {error!r}")
    for kind, resource in _RESOURCES.items():
        if isinstance(error, kind):
            return right_missing(settings, f"use {resource} {_names(error)}".rstrip())
    failure = None
    if isinstance(error, (*_UNCONNECTED, OSError)) or type(error) is KafkaError:
        failure = last_failure(where)
    reasons = list(_causes(error)) + ([] if failure is None else list(_causes(failure.error)))
    address = where if failure is None else failure.address
    for reason in reasons:
        if isinstance(reason, BannerstreamError):  # of the tokens
            return type(reason)(str(reason))
    for reason in reasons:
        if (explained := _explained(settings, address, reason)) is not None:
            return explained
    hint = ""
    if any(isinstance(reason, ConnectionResetError | KafkaConnectionError | EOFError) for reason in reasons):
        hint = f'; kafka.security_protocol = "{settings.security_protocol}" must be that of the listener at this port'
    return ServiceUnavailable(
        f"no Kafka broker answers as expected at {where} (kafka.bootstrap_servers): {reasons[-1]!r}{hint}"
    )


def right_missing(settings: KafkaSettings, what: str) -> RightMissing:
    """Return the error of a client that may not do this: `use the group shop-streams`."""
    return RightMissing(
        f"{settings.bootstrap_servers} does not let {_principal(settings)} {what}: grant it what "
        "docs/production.md lists for this service under *Rights on Kafka*"
    )


def _explained(settings: KafkaSettings, address: str, error: BaseException) -> BannerstreamError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _unverified(settings, address, error)
    if isinstance(error, ssl.SSLError):
        return _refused_by_tls(settings, address, error)
    if isinstance(error, UnsupportedSaslMechanismError):
        return CredentialsRefused(
            f'{address} does not take kafka.sasl_mechanism = "{settings.sasl_mechanism}": set one that the listener '
            "has among its sasl.enabled.mechanisms"
        )
    if not isinstance(error, _LOGIN):
        return None
    said = f" ({error.args[0]})" if error.args and error.args[0] else ""
    if settings.sasl_mechanism == "OAUTHBEARER":
        source = "kafka.oauth_token_url" if settings.token_source is None else "kafka.token_source"
        return CredentialsRefused(
            f"{address} refuses the token of {source}{said}: it has expired, or its audience, issuer or scope is "
            "another than the broker expects; compare the clocks, then these"
        )
    return CredentialsRefused(
        f"{address} refuses {_principal(settings)}{said}: set kafka.sasl_username, kafka.sasl_password and "
        f"kafka.sasl_mechanism (now {settings.sasl_mechanism}) to those of a user that the cluster has"
    )


def _unverified(settings: KafkaSettings, address: str, error: ssl.SSLCertVerificationError) -> CertificateRefused:
    if error.verify_code in _WRONG_NAME:
        return CertificateRefused(
            f"the certificate of {address} is for another name ({error.verify_message}): set kafka.bootstrap_servers, "
            "and the brokers' advertised.listeners, to names that it holds"
        )
    trusted = "the system's CAs" if settings.ssl_cafile is None else str(settings.ssl_cafile)
    return CertificateRefused(
        f"the certificate of {address} is not trusted by {trusted} ({error.verify_message}): set kafka.ssl_cafile to "
        "the CA of the brokers' certificates"
    )


def _refused_by_tls(settings: KafkaSettings, address: str, error: ssl.SSLError) -> BannerstreamError:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason and "version" not in reason:
        wanted = "another" if settings.ssl_certfile is not None else "a"
        return CertificateRefused(
            f"{address} wants {wanted} client certificate ({reason}): set kafka.ssl_certfile and kafka.ssl_keyfile to "
            "one that the brokers' truststore holds the CA of"
        )
    return CertificateRefused(
        f"{address} does not speak TLS as expected ({reason}): kafka.security_protocol = "
        f'"{settings.security_protocol}" must be that of the listener at this port'
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _names(error: KafkaError) -> str:
    """Return what the error is about: aiokafka gives a name, a set of names, or nothing."""
    names = error.args[0] if error.args else ""
    return ", ".join(sorted(map(str, names))) if isinstance(names, set | frozenset | list | tuple) else str(names)


def _principal(settings: KafkaSettings) -> str:
    if settings.security_protocol == "SASL_SSL" and settings.sasl_mechanism != "OAUTHBEARER":
        return f"the user {settings.sasl_username}"
    if settings.security_protocol == "SASL_SSL":
        return "the subject of its token"
    return "the name in its certificate" if settings.ssl_certfile is not None else "this client"
