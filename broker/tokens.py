"""Tokens for `kafka.sasl_mechanism = "OAUTHBEARER"`: where they come from, and how long one is used.

aiokafka requests a token for each connection it opens, on whatever event loop that is (Faust's consumer has a thread of
its own), so the cache holds one token for all clients of the process and fetches the next one on a thread.
"""

import asyncio
import base64
import importlib
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aiokafka.abc import AbstractTokenProvider

from bannerstream.broker.errors import CredentialsRefused, TokenUnavailable
from bannerstream.contracts.errors import BannerstreamError, ConfigurationError
from bannerstream.settings.kafka import KafkaSettings

TIMEOUT_S = 10.0
"""How long a token endpoint may take: aiokafka gives up a connection that takes 40 s, and tries again."""

USED_SHARE = 0.8
"""Share of its life for which a token is used, as in Java's clients (`sasl.login.refresh.window.factor`): a connection
then lasts for a while, and an endpoint that is away for a moment is called again in time."""

_LIFE_S = 60.0
"""Life of a token whose endpoint does not state one."""

MAX_RESPONSE_BYTES = 1_048_576

_T = TypeVar("_T")


class TokenSource(Protocol):
    """Where tokens come from: the token endpoint, or a shop's own class (`kafka.token_source`)."""

    def token(self) -> tuple[str, float]:
        """Return a token and when it expires, in epoch seconds. Called on a thread; may block."""
        ...


class CachedTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Gives aiokafka the current token; fetches the next one before it expires."""

    def __init__(
        self, source: TokenSource, extensions: Mapping[str, str], clock: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._extensions = dict(extensions)
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at_s = self._expires_at_s = 0.0

    async def token(self) -> str:
        """Return a token that is valid now.

        Raises:
            TokenUnavailable: the source gives none, and the last one has expired.
            CredentialsRefused: the token endpoint refuses the client.
        """
        return await asyncio.to_thread(self._current)

    def extensions(self) -> dict[str, str]:
        """Return the SASL extensions (RFC 7628) that go with each token."""
        return self._extensions

    def _current(self) -> str:
        with self._lock:
            now_s = self._clock()
            if now_s >= self._renew_at_s:
                try:
                    self._token, self._expires_at_s = self._source.token()
                except BannerstreamError:
                    if now_s >= self._expires_at_s:
                        raise
                except Exception as error:  # a shop's class may raise anything
                    if now_s >= self._expires_at_s:
                        raise TokenUnavailable(
                            f"kafka.token_source gives no token: {type(error).__name__}: {error}"
                        ) from error
                else:
                    self._renew_at_s = now_s + USED_SHARE * (self._expires_at_s - now_s)
            return self._token


class ClientCredentials:
    """Fetches tokens from a token endpoint by the client credentials grant (RFC 6749, 4.4)."""

    def __init__(self, url: str, client_id: str, client_secret: str, scope: str | None) -> None:
        # The id and the secret are form-encoded before they become a Basic header (RFC 6749, 2.3.1).
        pair = f"{urllib.parse.quote_plus(client_id)}:{urllib.parse.quote_plus(client_secret)}"
        form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
        self._url = url
        self._body = urllib.parse.urlencode(form).encode()
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Accept": "application/json",
        }

    def token(self) -> tuple[str, float]:
        """Return a token and when it expires.

        Raises:
            CredentialsRefused: the endpoint refuses the client's id or secret, or the scope.
            TokenUnavailable: it does not answer, or not with a token.
        """
        request = urllib.request.Request(self._url, self._body, self._headers)  # noqa: S310  (settings check the scheme)
        requested_at_s = time.time()
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                body = response.read(MAX_RESPONSE_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        except (OSError, ValueError) as error:  # ValueError: http.client's own errors of what is not HTTP
            raise TokenUnavailable(f"kafka.oauth_token_url: {self._url} does not answer: {error}") from error
        return self._parse(body, requested_at_s)

    def _refused(self, error: urllib.error.HTTPError) -> BannerstreamError:
        with error:
            reason = _reason_of(error.read(MAX_RESPONSE_BYTES))
        if error.code in {400, 401, 403}:
            return CredentialsRefused(
                f"kafka.oauth_client_id, kafka.oauth_client_secret: {self._url} refuses them, or kafka.oauth_scope "
                f"(HTTP {error.code}{reason}): set those of a client that may get tokens by client credentials"
            )
        return TokenUnavailable(
            f"kafka.oauth_token_url: {self._url} answers HTTP {error.code}{reason} instead of a token"
        )

    def _parse(self, body: bytes, requested_at_s: float) -> tuple[str, float]:
        try:
            token, life_s = _parsed(body)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise TokenUnavailable(
                f"kafka.oauth_token_url: {self._url} answers without a usable access_token; is it the token endpoint?"
            ) from error
        return token, requested_at_s + life_s


def _parsed(body: bytes) -> tuple[str, float]:
    """Return token and life in seconds (RFC 6749, 5.1); raise any error of what has another form."""
    answer = json.loads(body)
    token: str = answer["access_token"]
    life_s = float(answer.get("expires_in", _LIFE_S))
    if not (token.isascii() and token.isprintable() and token and life_s > 0):
        raise ValueError("not a token")
    return token, life_s


def token_provider(kafka: KafkaSettings) -> CachedTokens:
    """Return the tokens of these settings; clients with the same settings share them.

    Raises:
        ConfigurationError: the class that `kafka.token_source` names cannot be made.
    """
    secret = kafka.oauth_client_secret
    return _shared_provider(
        kafka.token_source,
        kafka.oauth_token_url,
        kafka.oauth_client_id,
        None if secret is None else secret.get_secret_value(),
        kafka.oauth_scope,
        tuple(sorted(kafka.oauth_extensions.items())),
    )


@lru_cache(maxsize=8)
def _shared_provider(  # noqa: PLR0917  (one caller, in this order)
    custom: str | None,
    url: str | None,
    client_id: str | None,
    client_secret: str | None,
    scope: str | None,
    extensions: tuple[tuple[str, str], ...],
) -> CachedTokens:
    if custom is not None:
        return CachedTokens(load_token_source(custom), dict(extensions))
    assert url is not None and client_id is not None and client_secret is not None  # noqa: PT018  (the settings check it)
    return CachedTokens(ClientCredentials(url, client_id, client_secret, scope), dict(extensions))


def load_token_source(name: str) -> TokenSource:
    """Return `Class()` of the module that `kafka.token_source` names; the working folder is searched too.

    Raises:
        ConfigurationError: the class does not exist, raises when it is created, or has no `token` method.
    """
    module_name, _, class_name = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    setting = f'kafka.token_source = "{name}"'
    try:
        source: TokenSource = getattr(importlib.import_module(module_name), class_name)()
    except ConfigurationError:
        raise
    except Exception as error:  # a shop's module may raise anything when imported or called
        raise ConfigurationError(
            f"{setting} cannot be made: {type(error).__name__}: {error} (valid is the class of a module on the path, "
            'for example "my_shop.kafka:MskTokens")'
        ) from error
    if not callable(getattr(source, "token", None)):
        raise ConfigurationError(f"{setting} has no method token(); docs/kafka.md shows one")
    return source


def _reason_of(body: bytes) -> str:
    """Return what an error response says of its reason (RFC 6749, 5.2), to follow the status."""
    try:
        answer: Any = json.loads(body)
        said = [answer[field] for field in ("error", "error_description") if isinstance(answer.get(field), str)]
    except (ValueError, AttributeError, RecursionError):
        return ""
    return "".join(f", {text[:200]}" for text in said)
