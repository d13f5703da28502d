"""Tokens: how long one is used, and what a token endpoint may answer."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.broker.errors import CredentialsRefused, TokenUnavailable
from bannerstream.broker.tokens import CachedTokens, ClientCredentials, load_token_source, token_provider
from bannerstream.contracts.errors import BannerstreamError, ConfigurationError
from bannerstream.settings.kafka import KafkaSettings


class Source:
    """Gives `token-1`, `token-2`, … each valid for 100 s of a clock that the test turns."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.given = 0
        self.error: Exception | None = None

    def token(self) -> tuple[str, float]:
        if self.error is not None:
            raise self.error
        self.given += 1
        return f"token-{self.given}", self.now_s + 100.0


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def tokens(source: Source) -> CachedTokens:
    return CachedTokens(source, {"logicalCluster": "lkc-1"}, clock=lambda: source.now_s)


async def test_a_token_is_used_for_most_of_its_life(source: Source, tokens: CachedTokens) -> None:
    assert await tokens.token() == "token-1"
    source.now_s = 79.0
    assert await tokens.token() == "token-1"
    source.now_s = 80.0
    assert await tokens.token() == "token-2"
    assert tokens.extensions() == {"logicalCluster": "lkc-1"}


async def test_many_clients_at_once_share_one_token(source: Source, tokens: CachedTokens) -> None:
    assert set(await asyncio.gather(*(tokens.token() for _ in range(20)))) == {"token-1"}
    assert source.given == 1


async def test_the_old_token_serves_until_it_expires_while_the_source_is_away(
    source: Source, tokens: CachedTokens
) -> None:
    await tokens.token()
    source.error = TokenUnavailable("away")
    source.now_s = 99.0
    assert await tokens.token() == "token-1"
    source.now_s = 100.0
    with pytest.raises(TokenUnavailable, match="away"):
        await tokens.token()
    source.error = RuntimeError("no instance profile")
    with pytest.raises(TokenUnavailable, match=r"kafka\.token_source gives no token: RuntimeError: no instance"):
        await tokens.token()
    source.error = None
    assert await tokens.token() == "token-2"


class Endpoint:
    """A token endpoint that gives one answer."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.requests: list[tuple[str, bytes]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.requests.append((self.headers["Authorization"], body))
                self.send_response(endpoint.status)
                self.send_header("Content-Length", str(len(endpoint.body)))
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"

    def answer(self, status: int, body: Any) -> None:
        self.status, self.body = status, body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    thread = Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield endpoint
    endpoint.server.shutdown()
    thread.join()
    endpoint.server.server_close()


def test_client_credentials_are_sent_as_the_rfc_has_them(endpoint: Endpoint) -> None:
    endpoint.answer(200, {"access_token": "abc", "expires_in": 300})
    token, expires_at_s = ClientCredentials(endpoint.url, "shop:1", "pass word", "kafka").token()
    assert token == "abc"
    assert expires_at_s > 300
    authorization, body = endpoint.requests[-1]
    assert authorization == "Basic c2hvcCUzQTE6cGFzcyt3b3Jk"  # shop%3A1:pass+word
    assert body == b"grant_type=client_credentials&scope=kafka"


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (
            401,
            {"error": "invalid_client"},
            CredentialsRefused,
            r"HTTP 401, invalid_client.*kafka\.oauth_scope|kafka\.oauth",
        ),
        (400, b"<html>", CredentialsRefused, r"kafka\.oauth_client_id"),
        (404, b"", TokenUnavailable, "HTTP 404"),
        (503, {"error": ["x"]}, TokenUnavailable, "HTTP 503"),
        (200, b"<html>a portal</html>", TokenUnavailable, "is it the token endpoint"),
        (200, {"access_token": "a b\n", "expires_in": 5}, TokenUnavailable, "without a usable access_token"),
        (200, {"access_token": "abc", "expires_in": 0}, TokenUnavailable, "without a usable access_token"),
        (200, {"access_token": "abc", "expires_in": "soon"}, TokenUnavailable, "without a usable access_token"),
        (200, b'{"access_token": "abc", "expires_in": 1' + b"0" * 400 + b"}", TokenUnavailable, "without a usable"),
        (200, b"[" * 100_000, TokenUnavailable, "without a usable access_token"),
    ],
)
def test_what_is_no_token_is_one_sentence(
    endpoint: Endpoint, status: int, body: Any, error: type[BannerstreamError], words: str
) -> None:
    endpoint.answer(status, body)
    with pytest.raises(error, match=words):
        ClientCredentials(endpoint.url, "shop", "hush", None).token()


_ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    body=st.binary(max_size=200)
    | _ANSWERS.map(lambda answer: json.dumps(answer).encode())
    | st.fixed_dictionaries({"access_token": _ANSWERS, "expires_in": _ANSWERS}).map(
        lambda fields: json.dumps(fields).encode()
    )
)
def test_any_answer_is_a_token_or_its_own_error(body: bytes) -> None:
    credentials = ClientCredentials("https://login.shop.example/token", "shop", "hush", None)
    try:
        token, expires_at_s = credentials._parse(body, 1000.0)
    except TokenUnavailable:
        return
    assert token.isprintable()
    assert expires_at_s > 1000.0


def test_an_endpoint_that_is_not_there_is_named() -> None:
    with pytest.raises(TokenUnavailable, match=r"kafka\.oauth_token_url: http://127\.0\.0\.1:1/t does not answer"):
        ClientCredentials("http://127.0.0.1:1/t", "shop", "hush", None).token()


class WithoutToken:
    """Not a token source."""


class Raising:
    """A class that cannot be created."""

    def __init__(self) -> None:
        raise OSError("no region")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.at_all:Tokens", "cannot be made: ModuleNotFoundError"),
        (f"{__name__}:Missing", "cannot be made: AttributeError"),
        (f"{__name__}:Raising", "OSError: no region"),
        (f"{__name__}:WithoutToken", r"has no method token\(\)"),
    ],
)
def test_a_token_source_that_cannot_be_made_is_named(name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        load_token_source(name)
    assert f'kafka.token_source = "{name}"' in str(refused.value)


def test_clients_of_the_same_settings_share_their_tokens() -> None:
    settings = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "OAUTHBEARER",
        "oauth_token_url": "https://login.shop.example/token",
        "oauth_client_id": "shop",
        "oauth_client_secret": "hush",
    }
    first = token_provider(KafkaSettings.model_validate(settings))
    assert token_provider(KafkaSettings.model_validate(settings)) is first
    assert token_provider(KafkaSettings.model_validate(settings | {"oauth_scope": "kafka"})) is not first
