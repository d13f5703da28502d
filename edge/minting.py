"""Mints visitor tokens: JWTs (RFC 7519), signed as RFC 7515 §5.1 says, whose `sub` is the shop's id of the visitor.

`edge.tokens` verifies them with PyJWT. Minting does without: PyJWT imports all of X.509, which would take as long as
the rest of `bannerstream edge token`.
"""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.scalars import UserId
from bannerstream.settings import Settings
from bannerstream.settings.production import refuse_in_production


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key of `edge.token_keys`: `verify` as PyJWT takes it; `sign` is None for a public key."""

    algorithm: str
    verify: Any
    sign: Callable[[bytes], bytes] | None


class TokenMint:
    """Mints visitor tokens with the active key of the settings. `now`: epoch seconds.

    Raises:
        ConfigurationError: a key in PEM is not an Ed25519 key, or in production a secret is the trial one; names it.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        edge = settings.edge
        refuse_in_production(settings, "tokens")
        self._edge = edge
        self._now = now
        self.keys = {kid: _key(kid, secret.get_secret_value()) for kid, secret in edge.token_keys.items()}

    def mint(self, user_id: str) -> str:
        """Return a token for a visitor that lives as long as the settings say.

        Raises:
            ConfigurationError: this cannot be a user id, or the active key is a public one.
        """
        kid = self._edge.token_kid
        key = self.keys[kid]
        if key.sign is None:
            raise ConfigurationError(f"edge.token_keys.{kid} is a public key: it cannot sign")
        try:
            msgspec.convert(user_id, UserId)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{user_id[:80]!r} cannot be a user id: {error}") from error
        now = int(self._now())
        claims: dict[str, object] = {"sub": user_id, "iat": now, "exp": now + int(self._edge.token_life_s)}
        if self._edge.token_issuer is not None:
            claims["iss"] = self._edge.token_issuer
        if self._edge.token_audience is not None:
            claims["aud"] = self._edge.token_audience
        header = {"alg": key.algorithm, "kid": kid, "typ": "JWT"}
        signed = b".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return b".".join((signed, _base64url(key.sign(signed)))).decode()


def _base64url(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _key(kid: str, secret: str) -> TokenKey:
    if "-----BEGIN" not in secret:
        return TokenKey("HS256", secret.encode(), partial(hmac.digest, secret.encode(), digest="sha256"))
    # Here, because secrets of HS256 need none of it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
        load_pem_public_key,
    )

    pem = secret.encode()
    try:
        if "PUBLIC KEY" in secret:
            public = load_pem_public_key(pem)
            if isinstance(public, Ed25519PublicKey):
                return TokenKey("EdDSA", public, None)
        else:
            private = load_pem_private_key(pem, password=None)
            if isinstance(private, Ed25519PrivateKey):
                return TokenKey("EdDSA", private.public_key(), private.sign)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"edge.token_keys.{kid} is not an unencrypted key in PEM: {error}") from error
    raise ConfigurationError(
        f"edge.token_keys.{kid} is not an Ed25519 key: make one with `openssl genpkey -algorithm ed25519`"
    )
