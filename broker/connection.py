"""How Kafka clients connect: one TLS context, one set of options, one translation of errors."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from bannerstream.broker.handshake import CLUSTERS
from bannerstream.broker.refusals import translated
from bannerstream.broker.tokens import token_provider
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings.kafka import KafkaSettings


def client_options(settings: KafkaSettings, *, client_id: str = "bannerstream") -> dict[str, Any]:
    """Return the keyword arguments that any aiokafka client (producer, consumer, admin) needs to connect.

    Raises:
        ConfigurationError: a certificate, a key file or `kafka.token_source` cannot be used; names the setting.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": client_id,
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol != "SASL_SSL":
        return options
    if settings.sasl_mechanism == "OAUTHBEARER":
        return options | {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": token_provider(settings)}
    if settings.sasl_password is not None:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    return options


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context of these settings, or None without TLS. Checks host names; requires TLS 1.2 or newer.

    Raises:
        ConfigurationError: a file cannot be read or used; names the setting.
    """
    if settings.security_protocol == "PLAINTEXT":
        return None
    context = _trusting(settings.ssl_cafile)
    if settings.ssl_certfile is not None and settings.ssl_keyfile is not None:
        _load_certificate(context, settings.ssl_certfile, settings.ssl_keyfile)
    CLUSTERS[context] = settings.bootstrap_servers
    return context


@contextmanager
def broker_errors(settings: KafkaSettings) -> Iterator[None]:
    """Translate aiokafka's errors into ours, with the address that was tried.

    Raises:
        ServiceUnavailable: no broker answers as expected; trying again may help.
        ConfigurationError: a certificate, the credentials or a right is refused: `CertificateRefused`,
            `CredentialsRefused`, `RightMissing`.
        MessageTooLarge: the broker rejects a message for its size.
    """
    try:
        yield
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        raise translated(settings, error) from error


def _trusting(cafile: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(f"kafka.ssl_cafile: {cafile} is not a readable CA bundle in PEM: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load_certificate(context: ssl.SSLContext, certfile: Path, keyfile: Path) -> None:
    for setting, file in (("ssl_certfile", certfile), ("ssl_keyfile", keyfile)):
        if not file.is_file():
            raise ConfigurationError(f"kafka.{setting}: there is no file {file}")
    try:
        # Without a password here, OpenSSL would ask for one on the terminal and the service would hang.
        context.load_cert_chain(certfile, keyfile, password="")
    except OSError as error:
        raise ConfigurationError(
            f"kafka.ssl_certfile and kafka.ssl_keyfile: {certfile} and {keyfile} are not a certificate with its own "
            f"unencrypted key in PEM: {error}"
        ) from error
