"""Security of an Apache Kafka for trials and tests: TLS, the ways to log in, and rights that have to be granted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a broker; `advertised` where clients reach it at another address."""

    name: str
    address: str
    advertised: str | None = None
    protocol: str = "PLAINTEXT"


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """Certificates, users and the keys of tokens.

    Clients log in by SCRAM-SHA-512, by a token (the principal is its claim `sub`) or by a certificate (the principal is
    its common name). Nobody may do anything that is not granted, but for clients of the plaintext listener: brokers and
    the controller use it.
    """

    keystore: Path
    """The broker's key (PKCS 8) and certificates in PEM."""
    truststore: Path
    """The CAs of clients' certificates in PEM."""
    users: Mapping[str, str]
    """Passwords by user. They are created when the storage is formatted, at the first start."""
    jwks: Path
    """JSON Web Key Set with the public keys of the issuer of tokens."""
    audience: str
    issuer: str

    def properties(self, sasl_listener: str, ssl_listener: str) -> dict[str, str]:
        """Return what server.properties needs for these two listeners."""
        sasl = f"listener.name.{sasl_listener.lower()}"
        login = "org.apache.kafka.common.security"
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.truststore),
            f"listener.name.{ssl_listener.lower()}.ssl.client.auth": "required",
            f"listener.name.{ssl_listener.lower()}.ssl.principal.mapping.rules": "RULE:^.*CN=([a-z-]+).*$/$1/,DEFAULT",
            f"{sasl}.sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
            f"{sasl}.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
            f"{sasl}.oauthbearer.sasl.jaas.config": f"{login}.oauthbearer.OAuthBearerLoginModule required;",
            f"{sasl}.oauthbearer.sasl.server.callback.handler.class": (
                f"{login}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            f"{sasl}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self.jwks.as_uri(),
            f"{sasl}.oauthbearer.sasl.oauthbearer.expected.audience": self.audience,
            f"{sasl}.oauthbearer.sasl.oauthbearer.expected.issuer": self.issuer,
            # By default a token would be valid for 30 s longer than it says.
            f"{sasl}.oauthbearer.sasl.oauthbearer.clock.skew.seconds": "0",
            # Above 0: a connection lasts no longer than the token that opened it.
            f"{sasl}.oauthbearer.connections.max.reauth.ms": "3600000",
        }

    def jvm(self) -> list[str]:
        """Return the options that Kafka 4 wants before it reads keys from a file."""
        return [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.jwks.as_uri()}"]

    def format_options(self) -> list[str]:
        """Return the options of `kafka-storage format` that create the users."""
        return [f"--add-scram=SCRAM-SHA-512=[name={user},password={password}]" for user, password in self.users.items()]
