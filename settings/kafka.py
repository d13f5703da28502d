"""The table `[kafka]`."""

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from bannerstream.contracts.topics import Topics
from bannerstream.settings.groups import Group, Seconds

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class KafkaSettings(Group):
    """How to reach the brokers. Used by every service."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Comma-separated `host:port` list.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SASL requires TLS: without it, the password would be sent in the clear."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512", description="Read only with `SASL_SSL`."
    )
    sasl_username: str | None = Field(None, description="Required with `SASL_SSL`, but not with `OAUTHBEARER`.")
    sasl_password: SecretStr | None = Field(None, description="Required with `SASL_SSL`, but not with `OAUTHBEARER`.")
    oauth_token_url: str | None = Field(
        None,
        description="Token endpoint for `OAUTHBEARER`, by client credentials: https, or http on loopback.",
    )
    oauth_client_id: str | None = Field(None, description="Required with `kafka.oauth_token_url`.")
    oauth_client_secret: SecretStr | None = Field(None, description="Required with `kafka.oauth_token_url`.")
    oauth_scope: str | None = Field(None, description="Scope of the tokens; the endpoint's default when empty.")
    oauth_extensions: dict[str, str] = Field(
        default_factory=dict,
        description='SASL extensions that go with a token: `{ logicalCluster = "lkc-1" }` for Confluent Cloud.',
    )
    token_source: str | None = Field(
        None,
        description="Instead of `kafka.oauth_token_url`: a class of yours that signs tokens for `OAUTHBEARER`, as "
        "`my_shop.kafka:MskTokens` ([kafka.md](kafka.md)).",
    )
    ssl_cafile: Path | None = Field(None, description="CA bundle in PEM; the system's when empty.")
    ssl_certfile: Path | None = Field(None, description="Client certificate in PEM, for mutual TLS.")
    ssl_keyfile: Path | None = Field(None, description="Key of the client certificate.")
    partitions: int = Field(4, ge=1, le=1000, description="Partitions of topics created by `topics create`.")
    replication_factor: int = Field(
        1, ge=1, le=9, description="Replicas of topics created by `topics create`; use 3 in production."
    )
    session_timeout_s: Seconds = Field(
        10.0, description="A worker that sends no heartbeat for this long loses its partitions."
    )
    topics: dict[str, str] = Field(
        default_factory=dict, description='Other topic names, by role: `{ clicks = "shop.clicks" }`.'
    )

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        if self.security_protocol == "SASL_SSL" and self.sasl_mechanism == "OAUTHBEARER":
            self._check_oauth()
        elif self.security_protocol == "SASL_SSL" and not (self.sasl_username and self.sasl_password):
            raise ValueError("kafka.sasl_username and kafka.sasl_password are required with SASL_SSL")
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("kafka.ssl_certfile and kafka.ssl_keyfile go together")
        self.topic_table()
        return self

    def _check_oauth(self) -> None:
        if (self.oauth_token_url is None) == (self.token_source is None):
            raise ValueError(
                'kafka.sasl_mechanism = "OAUTHBEARER" needs kafka.oauth_token_url, for example '
                '"https://login.shop.example/oauth2/token", or kafka.token_source, and not both'
            )
        if self.token_source is not None:
            if not re.fullmatch(r"[\w.]+:\w+", self.token_source):
                raise ValueError('kafka.token_source is "module:Class", for example "my_shop.kafka:MskTokens"')
            return
        if not (self.oauth_client_id and self.oauth_client_secret):
            raise ValueError(
                "kafka.oauth_client_id and kafka.oauth_client_secret are required with kafka.oauth_token_url"
            )
        url = urlsplit(self.oauth_token_url or "")
        if not url.hostname or (url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK)):
            raise ValueError(
                "kafka.oauth_token_url must be https, since the client's secret goes there, for example "
                '"https://login.shop.example/oauth2/token"'
            )

    def topic_table(self) -> Topics:
        """Return the topics under the names of this deployment."""
        try:
            return Topics().renamed(self.topics)
        except KeyError as error:
            raise ValueError(f"kafka.topics: {error.args[0]}") from error
        except ValueError as error:
            raise ValueError(f"kafka.topics: {error}") from error
