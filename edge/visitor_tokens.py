"""Mints and verifies visitor tokens: JWTs (RFC 7519) whose `sub` is the shop's id of the visitor.

The key determines the algorithm, not the token: `alg: none`, and HS256 with a public key as the secret, are rejected
(RFC 8725 §3.1).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec

from bannerstream.contracts.keys import UserKeys
from bannerstream.contracts.scalars import UserId
from bannerstream.edge.errors import InvalidToken
from bannerstream.edge.minting import TokenMint
from bannerstream.settings import Settings

MAX_TOKEN_CHARS = 4096
"""Longer than any token of an id and two dates; longer ones are rejected unparsed."""

MAX_CACHED_TOKENS = 20_000
"""Verified tokens cached in each of two generations, about 15 MB: a page uses one token for minutes."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor whose token was verified."""

    user_id: str
    key: str
    """The user key."""
    expires_at_s: float
    """Epoch seconds."""


class VisitorTokens:
    """Mints and verifies visitor tokens with the keys of the settings. `now`: epoch seconds.

    Raises:
        ConfigurationError: a PEM key is not an Ed25519 key, or a production secret is a trial value.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        edge = settings.edge
        self._edge = edge
        self._now = now
        mint = TokenMint(settings, now)
        self._keys = mint.keys
        self.mint = mint.mint
        self._user_keys = UserKeys(settings.privacy.user_key_secret.get_secret_value().encode(), remembered=1)
        self._recent: dict[str, Visitor] = {}
        self._older: dict[str, Visitor] = {}

    def visitor(self, token: str) -> Visitor:
        """Return the visitor that a token identifies.

        Raises:
            InvalidToken: the token does not verify or has expired. The message never reveals what was expected.
        """
        now_s = self._now()
        known = self._recent.get(token) or self._older.get(token)
        if known is None:
            known = self._verified(token, now_s)
            if len(self._recent) >= MAX_CACHED_TOKENS:
                self._older, self._recent = self._recent, {}
            self._recent[token] = known
        if now_s > known.expires_at_s + self._edge.token_leeway_s:
            raise InvalidToken("the token has expired")
        return known

    def _verified(self, token: str, now_s: float) -> Visitor:
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidToken("the token is too long")
        claims = self._claims(token)
        expires_at_s = _number(claims, "exp")
        if expires_at_s - now_s > self._edge.token_life_s + self._edge.token_leeway_s:
            raise InvalidToken("the token lives longer than edge.token_life_s allows")
        if "nbf" in claims and _number(claims, "nbf") > now_s + self._edge.token_leeway_s:
            raise InvalidToken("the token is not valid yet")
        sub = claims["sub"]
        if isinstance(sub, int) and not isinstance(sub, bool):
            sub = str(sub)  # as the shop's events have it: a JSON number is read as its decimal string there, too
        try:
            user_id = msgspec.convert(sub, UserId)
        except msgspec.ValidationError as error:
            raise InvalidToken("the token's `sub` cannot be a user id") from error
        return Visitor(user_id, self._user_keys[user_id].decode(), expires_at_s)

    def _claims(self, token: str) -> dict[str, Any]:
        audience = self._edge.token_audience
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise InvalidToken("the token's `kid` names no key")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.verify,
                algorithms=[key.algorithm],
                issuer=self._edge.token_issuer,
                audience=audience,
                options={
                    "require": ["exp", "sub"],
                    "verify_aud": audience is not None,
                    # Times are checked against `now`, which tests can set.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    # A shop whose ids are numbers writes a number, although RFC 7519 §4.1.2 wants a string.
                    "verify_sub": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken(_explain(error)) from error
        return claims


def _explain(error: Exception) -> str:
    match error:
        case jwt.InvalidSignatureError() | jwt.InvalidAlgorithmError():
            return "the token's signature is not ours"
        case jwt.InvalidIssuerError() | jwt.InvalidAudienceError():
            return "the token is not meant for us"
        case jwt.MissingRequiredClaimError():
            return f"the token has no `{error.claim}`"
        case _:
            return "this is not a token"


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise InvalidToken(f"the token's `{name}` is not a time")
    return float(value)
