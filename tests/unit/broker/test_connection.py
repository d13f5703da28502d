import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from bannerstream.broker.connection import broker_errors, client_options, ssl_context
from bannerstream.broker.errors import MessageTooLarge
from bannerstream.broker.publisher import Publisher
from bannerstream.broker.topics import check_topics
from bannerstream.contracts.errors import BannerstreamError, ConfigurationError, ServiceUnavailable
from bannerstream.settings.kafka import KafkaSettings


def tls(**more: Any) -> KafkaSettings:
    return KafkaSettings(security_protocol="SSL", **more)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a self-signed certificate with its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *names], check=True, capture_output=True)
    return certificate, key


def test_plaintext_needs_nothing() -> None:
    options = client_options(KafkaSettings(bootstrap_servers="kafka:9092"))
    assert options["bootstrap_servers"] == "kafka:9092"
    assert options["ssl_context"] is None
    assert not any(name.startswith("sasl") for name in options)


def test_sasl_goes_over_tls_with_the_password_in_the_clear_only_there() -> None:
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_username="shop", sasl_password="hush")
    options = client_options(settings)
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("shop", "hush")
    assert isinstance(options["ssl_context"], ssl.SSLContext)


def test_tls_checks_certificates_and_host_names(pair: tuple[Path, Path]) -> None:
    for settings in (tls(), tls(ssl_cafile=pair[0])):
        context = ssl_context(settings)
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_mutual_tls_loads_the_pair(pair: tuple[Path, Path]) -> None:
    context = ssl_context(tls(ssl_cafile=pair[0], ssl_certfile=pair[0], ssl_keyfile=pair[1]))
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_wrong_files_name_their_setting(pair: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = pair
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("hello")
    gone = tmp_path / "gone.pem"
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(locked)],
        check=True,
        capture_output=True,
    )
    for more, message in [
        ({"ssl_cafile": gone}, "kafka.ssl_cafile"),
        ({"ssl_cafile": no_pem}, "kafka.ssl_cafile"),
        ({"ssl_certfile": gone, "ssl_keyfile": key}, "kafka.ssl_certfile: there is no file"),
        ({"ssl_certfile": certificate, "ssl_keyfile": gone}, "kafka.ssl_keyfile: there is no file"),
        ({"ssl_certfile": no_pem, "ssl_keyfile": key}, "kafka.ssl_certfile and kafka.ssl_keyfile"),
        ({"ssl_certfile": certificate, "ssl_keyfile": no_pem}, "kafka.ssl_certfile and kafka.ssl_keyfile"),
        ({"ssl_certfile": certificate, "ssl_keyfile": locked}, "unencrypted key"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            ssl_context(tls(**more))


@pytest.mark.parametrize(
    ("raised", "translated"),
    [
        (KafkaConnectionError("x"), ServiceUnavailable),
        (ConnectionRefusedError(), ServiceUnavailable),
        (TopicAuthorizationFailedError("x"), ConfigurationError),
        (MessageSizeTooLargeError("x"), MessageTooLarge),
    ],
)
def test_errors_name_the_address(raised: Exception, translated: type[BannerstreamError]) -> None:
    with (
        pytest.raises(translated, match=r"kafka\.example:9093"),
        broker_errors(KafkaSettings(bootstrap_servers="kafka.example:9093")),
    ):
        raise raised


async def test_a_broker_that_is_not_there_is_named() -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"):
        await check_topics(nowhere)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"):
        async with Publisher(nowhere):
            pass
