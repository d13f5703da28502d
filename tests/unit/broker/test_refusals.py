"""What a failure of a Kafka client means: one sentence that names the setting, the address or the right."""

import ssl
import time

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)

from bannerstream.broker import handshake
from bannerstream.broker.connection import ssl_context
from bannerstream.broker.errors import CertificateRefused, CredentialsRefused, RightMissing, TokenUnavailable
from bannerstream.broker.refusals import translated
from bannerstream.contracts.errors import BannerstreamError, ServiceUnavailable
from bannerstream.settings.kafka import KafkaSettings

SERVERS = "kafka-1.example:9093,kafka-2.example:9093"
KAFKA = KafkaSettings.model_validate(
    {
        "bootstrap_servers": SERVERS,
        "security_protocol": "SASL_SSL",
        "sasl_username": "streams",
        "sasl_password": "hush",
    }
)
UNREACHED = KafkaConnectionError("Unable to bootstrap")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GroupAuthorizationFailedError("shop-streams"), "use the group shop-streams:"),
        (TopicAuthorizationFailedError({"b", "a"}), "use the topic a, b:"),
        (TransactionalIdAuthorizationFailed("shop-1"), "use the transactional id shop-1:"),
        (ClusterAuthorizationFailedError(), "not even to write to one topic"),
    ],
)
def test_a_missing_right_names_what_it_is_for_and_whom_to_grant_it(error: KafkaError, words: str) -> None:
    refusal = translated(KAFKA, error)
    assert type(refusal) is RightMissing
    assert words in str(refusal)
    assert "does not let the user streams" in str(refusal)
    assert "docs/production.md" in str(refusal)


def _untrusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (_untrusted(20, "unable to get local issuer certificate"), CertificateRefused, "kafka.ssl_cafile"),
        (_untrusted(62, "Hostname mismatch"), CertificateRefused, "for another name"),
        (_untrusted(64, "IP address mismatch"), CertificateRefused, "for another name"),
        (SaslAuthenticationFailed("invalid credentials"), CredentialsRefused, "(invalid credentials)"),
        (TokenUnavailable("the endpoint is away"), TokenUnavailable, "the endpoint is away"),
        (ConnectionResetError(), ServiceUnavailable, 'kafka.security_protocol = "SASL_SSL"'),
        (ConnectionRefusedError(111, "refused"), ServiceUnavailable, "refused"),
    ],
)
def test_a_failed_start_says_why_the_last_connection_failed(
    monkeypatch: pytest.MonkeyPatch, cause: Exception, kind: type[BannerstreamError], words: str
) -> None:
    failure = handshake.Failure("kafka-2.example:9093", cause, time.monotonic())
    monkeypatch.setitem(handshake._failures, SERVERS, failure)
    refusal = translated(KAFKA, UNREACHED)
    assert type(refusal) is kind
    assert words in str(refusal)
    assert "\n" not in str(refusal)


def test_an_old_failure_or_one_that_explains_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cause = SaslAuthenticationFailed("invalid credentials")
    now_s = time.monotonic()
    monkeypatch.setitem(handshake._failures, SERVERS, handshake.Failure("a:1", cause, now_s))
    assert type(translated(KAFKA, UnknownTopicOrPartitionError())) is ServiceUnavailable
    old = handshake.Failure("a:1", cause, now_s - handshake.RECENT_S)
    monkeypatch.setitem(handshake._failures, SERVERS, old)
    assert type(translated(KAFKA, UNREACHED)) is ServiceUnavailable


async def test_a_connection_that_fails_is_remembered_for_its_cluster() -> None:
    kafka = KafkaSettings(bootstrap_servers="cluster.example:1", security_protocol="SSL")
    with pytest.raises(OSError, match=r".*"):
        await handshake.open_connection("127.0.0.1", 1, security_protocol="SSL", ssl_context=ssl_context(kafka))
    failure = handshake.last_failure("cluster.example:1")
    assert failure is not None
    assert failure.address == "127.0.0.1:1"
    assert handshake.last_failure("another.example:1") is None


class Refusing:
    """A token provider."""

    async def token(self) -> str:
        return "expired"


async def test_a_challenge_after_the_token_is_the_brokers_refusal() -> None:
    exchange = handshake._CheckedOAuth(sasl_oauth_token_provider=Refusing())
    assert await exchange.step(None) == (b"n,,\x01auth=Bearer expired\x01\x01", True)
    with pytest.raises(SaslAuthenticationFailed, match="invalid_token"):
        await exchange.step(b'{"status":"invalid_token"}')
    accepted = handshake._CheckedOAuth(sasl_oauth_token_provider=Refusing())
    await accepted.step(None)
    assert await accepted.step(b"") is None
