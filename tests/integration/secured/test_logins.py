"""Every way to log in, and one sentence for every way to be refused."""

from pathlib import Path
from typing import Any

import pytest
import trustme

from bannerstream.broker.errors import CertificateRefused, CredentialsRefused, TokenUnavailable
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.broker.tail import partitions_of, read_to, reading
from bannerstream.broker.topics import create_topics, describe_topics
from bannerstream.contracts.errors import BannerstreamError, ServiceUnavailable
from bannerstream.settings.kafka import KafkaSettings
from tests.support.secured_kafka import Deployment, Login, SecuredKafka
from tests.support.token_endpoint import TokenEndpoint

pytestmark = [pytest.mark.real, pytest.mark.timeout(120), pytest.mark.pairs("embedded"), pytest.mark.servers("s3")]


@pytest.mark.parametrize("how", ["password", "certificate", "token"])
async def test_each_login_acts_under_its_own_principal(deployment: Deployment, how: Login) -> None:
    await deployment.grant("operator", "shop", "streams")
    await create_topics(deployment.settings("operator", how).kafka)
    shop = deployment.settings("shop", how).kafka
    topic = shop.topic_table().clicks.name
    async with Publisher(shop) as publisher:
        await publisher.publish_all([Outgoing(topic, b"ada", b"a click", [])])
    kafka = deployment.settings("streams", how).kafka
    partitions = await partitions_of(kafka, topic)
    async with reading(kafka, partitions) as consumer:
        ends = await consumer.end_offsets(partitions)
        values = [
            record.value
            async for fetched in read_to(consumer, ends, 200)
            for records in fetched.values()
            for record in records
        ]
    assert values == [b"a click"]


class Expired:
    """A token source of a shop whose clock is wrong."""

    kafka: SecuredKafka

    def token(self) -> tuple[str, float]:
        return self.kafka.pki.token("streams", -5), 4e9


class ForAnother(Expired):
    """Its tokens are for another audience."""

    def token(self) -> tuple[str, float]:
        return self.kafka.pki.token("streams", 3600, aud="billing"), 4e9


class Broken:
    """A token source that fails."""

    def token(self) -> tuple[str, float]:
        raise OSError("no instance profile")


OAUTH = {"sasl_mechanism": "OAUTHBEARER"}
REFUSALS: dict[str, tuple[dict[str, Any], type[BannerstreamError], str]] = {
    "wrong password": ({"sasl_password": "no"}, CredentialsRefused, r"refuses the user streams .*kafka\.sasl_password"),
    "unknown user": ({"sasl_username": "none"}, CredentialsRefused, r"refuses the user none .*kafka\.sasl_username"),
    "another mechanism": ({"sasl_mechanism": "PLAIN"}, CredentialsRefused, r'kafka\.sasl_mechanism = "PLAIN"'),
    "wrong CA": (
        {"ssl_cafile": "another.pem"},
        CertificateRefused,
        r"not trusted by .*another\.pem .*kafka\.ssl_cafile",
    ),
    "the system's CAs": ({"ssl_cafile": None}, CertificateRefused, r"not trusted by the system's CAs"),
    "expired token": (
        OAUTH | {"token_source": f"{__name__}:Expired"},
        CredentialsRefused,
        r"refuses the token .*expired",
    ),
    "another audience": (OAUTH | {"token_source": f"{__name__}:ForAnother"}, CredentialsRefused, "refuses the token"),
    "failing source": (
        OAUTH | {"token_source": f"{__name__}:Broken"},
        TokenUnavailable,
        "OSError: no instance profile",
    ),
    "no SASL": ({"security_protocol": "SSL"}, ServiceUnavailable, r'kafka\.security_protocol = "SSL" must be'),
    "no TLS": ({"security_protocol": "PLAINTEXT"}, ServiceUnavailable, r'"PLAINTEXT" must be that of the listener'),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_what_is_refused_is_one_sentence(
    secured: SecuredKafka, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, error, words = REFUSALS[case]
    monkeypatch.setattr(Expired, "kafka", secured, raising=False)
    another = tmp_path / "another.pem"
    trustme.CA().cert_pem.write_to_path(another)
    change = {name: str(another) if value == "another.pem" else value for name, value in change.items()}
    with pytest.raises(error, match=words) as refused:
        await describe_topics(KafkaSettings(**secured.login("streams") | change))
    assert type(refused.value) is error
    assert "\n" not in str(refused.value)


async def test_a_name_that_the_certificate_does_not_hold(secured: SecuredKafka) -> None:
    elsewhere = secured.login("streams") | {"bootstrap_servers": secured.sasl_ssl.replace("127.0.0.1", "localhost")}
    with pytest.raises(CertificateRefused, match=r"is for another name .*kafka\.bootstrap_servers"):
        await describe_topics(KafkaSettings(**elsewhere))


async def test_a_client_certificate_is_wanted(secured: SecuredKafka, tmp_path: Path) -> None:
    without = secured.login("streams", "certificate") | {"ssl_certfile": None, "ssl_keyfile": None}
    with pytest.raises(CertificateRefused, match=r"wants a client certificate .*kafka\.ssl_certfile"):
        await describe_topics(KafkaSettings(**without))
    stranger = trustme.CA().issue_cert("streams.shop.example", common_name="streams")
    certfile, keyfile = tmp_path / "stranger.pem", tmp_path / "stranger.key"
    stranger.cert_chain_pems[0].write_to_path(certfile)
    stranger.private_key_pem.write_to_path(keyfile)
    with pytest.raises(CertificateRefused, match="wants another client certificate"):
        await describe_topics(KafkaSettings(**without | {"ssl_certfile": certfile, "ssl_keyfile": keyfile}))


async def test_a_token_endpoint_that_refuses_or_is_away(deployment: Deployment, endpoint: TokenEndpoint) -> None:
    kafka = deployment.kafka.login("streams", "token", endpoint.url)
    with pytest.raises(CredentialsRefused, match=r"kafka\.oauth_client_secret: .*HTTP 401, invalid_client, no client"):
        await describe_topics(KafkaSettings(**kafka | {"oauth_client_secret": "no"}))
    endpoint.away = True
    with pytest.raises(TokenUnavailable, match=r"kafka\.oauth_token_url: .*HTTP 503"):
        await describe_topics(KafkaSettings(**kafka))


async def test_a_command_that_is_refused_ends_with_one_sentence(deployment: Deployment) -> None:
    command = deployment.command(["topics", "check"], "operator", kafka={"sasl_password": "no"})
    assert command.wait(90) == 3
    log = command.log_tail(50)
    assert "refuses the user operator" in log
    assert "Traceback" not in log
