"""Visitor tokens: accepted only if one of our keys signed them, for this shop, and for a limited time."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.keys import user_key
from bannerstream.edge.errors import InvalidToken
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.settings import Settings
from tests.support.production import accepted

NOW = 1_795_000_000.0
LEEWAY_S = Settings().edge.token_leeway_s
OLD, NEW = "an old secret of at least 32 bytes", "a new secret of at least 32 bytes"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def settings(**edge: Any) -> Settings:
    return Settings(edge={"token_keys": {"old": OLD, "new": NEW}, "token_kid": "new", **edge})


def tokens(clock: Clock | None = None, **edge: Any) -> VisitorTokens:
    return VisitorTokens(settings(**edge), clock or Clock())


def signed(claims: dict[str, Any], secret: Any = NEW, kid: str = "new", algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": kid})


def signed_as_json(claims: dict[str, Any]) -> str:
    """Sign what PyJWT would refuse to sign, as other libraries do."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), NEW, algorithm="HS256", headers={"kid": "new"})


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "ada", "exp": NOW + 600, **changes}


def pem_pair() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def test_a_minted_token_names_its_visitor_by_the_keyed_hash() -> None:
    ours = tokens()
    visitor = ours.visitor(ours.mint("ada"))
    secret = Settings().privacy.user_key_secret.get_secret_value().encode()
    assert (visitor.user_id, visitor.key) == ("ada", user_key("ada", secret))


def test_both_keys_are_good_while_keys_change() -> None:
    before, after = tokens(token_kid="old"), tokens(token_kid="new")
    assert after.visitor(before.mint("ada")).user_id == "ada"
    assert before.visitor(after.mint("ada")).user_id == "ada"
    only_new = tokens(token_keys={"new": NEW})
    with pytest.raises(InvalidToken, match="`kid` names no key"):
        only_new.visitor(before.mint("ada"))


def test_an_ed25519_key_signs_and_its_public_half_verifies() -> None:
    private, public = pem_pair()
    shop = tokens(token_keys={"k": private}, token_kid="k")
    node = tokens(token_keys={"k": public}, token_kid="k")
    assert node.visitor(shop.mint("ada")).user_id == "ada"
    with pytest.raises(ConfigurationError, match="public key: it cannot sign"):
        node.mint("ada")


def test_the_public_key_is_no_secret_for_hs256() -> None:
    _, public = pem_pair()
    node = tokens(token_keys={"k": public}, token_kid="k")
    head, body = ({"alg": "HS256", "kid": "k"}, claims())
    signing = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, body)
    )
    import hmac

    mac = hmac.digest(public.encode(), signing.encode(), "sha256")
    forged = f"{signing}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    with pytest.raises(InvalidToken, match="not ours"):
        node.visitor(forged)


@pytest.mark.parametrize("alg", ["none", "None", "nOnE"])
def test_a_token_without_a_signature_is_refused(alg: str) -> None:
    parts = [{"alg": alg, "kid": "new", "typ": "JWT"}, claims()]
    token = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts) + "."
    with pytest.raises(InvalidToken):
        tokens().visitor(token)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (signed(claims(), secret=OLD), "signature is not ours"),
        (signed(claims(), kid="unknown"), "`kid` names no key"),
        (signed(claims(exp=NOW - LEEWAY_S - 1)), "has expired"),
        (signed(claims(exp=NOW + 86_400)), "lives longer"),
        (signed(claims(nbf=NOW + 60)), "not valid yet"),
        (signed({"sub": "ada"}), "has no `exp`"),
        (signed({"exp": NOW + 60}), "has no `sub`"),
        (signed(claims(exp=True)), "is not a time"),
        (signed(claims(exp="soon")), "is not a time"),
        (signed(claims(exp=float("1e300"))), "is not a time"),
        (signed(claims(sub="")), "cannot be a user id"),
        (signed_as_json(claims(sub=True)), "cannot be a user id"),
        (signed_as_json(claims(sub=47.5)), "cannot be a user id"),
        (signed_as_json(claims(sub=["ada"])), "cannot be a user id"),
        (signed_as_json(claims(sub=None)), "has no `sub`"),
        (signed(claims(sub="a\nb")), "cannot be a user id"),
        (signed(claims(sub="ada ")), "cannot be a user id"),
        (signed(claims(sub="x" * 257)), "cannot be a user id"),
        ("", "is not a token"),
        ("a.b.c", "is not a token"),
        ("€.€.€", "is not a token"),
        ("x" * 5000, "too long"),
    ],
)
def test_what_is_not_to_be_believed_is_refused(token: str, message: str) -> None:
    with pytest.raises(InvalidToken, match=message):
        tokens().visitor(token)


def test_a_token_that_was_good_expires_although_it_is_remembered() -> None:
    clock = Clock()
    ours = tokens(clock, token_life_s=60)
    token = ours.mint("ada")
    assert ours.visitor(token).user_id == "ada"
    clock.now += 60 + LEEWAY_S + 1
    with pytest.raises(InvalidToken, match="has expired"):
        ours.visitor(token)


@pytest.mark.parametrize(("sub", "user_id"), [(4711, "4711"), (0, "0"), (10**30, str(10**30))])
def test_a_numeric_sub_is_its_decimal_string(sub: int, user_id: str) -> None:
    visitor = tokens().visitor(signed_as_json(claims(sub=sub)))
    assert visitor == tokens().visitor(signed(claims(sub=user_id)))
    assert visitor.user_id == user_id


@pytest.mark.parametrize(
    "changes", [{"nbf": NOW + 20}, {"exp": NOW + 3620}, {"exp": NOW - 20}], ids=["nbf", "longest life", "exp"]
)
def test_the_shops_clock_may_differ_by_the_leeway(changes: dict[str, float]) -> None:
    token = signed(claims(**changes))
    assert tokens().visitor(token).user_id == "ada"
    assert tokens(token_leeway_s=20).visitor(token).user_id == "ada"
    for leeway_s in (0, 19):
        with pytest.raises(InvalidToken):
            tokens(token_leeway_s=leeway_s).visitor(token)


def test_a_token_for_somebody_else_is_refused() -> None:
    ours = tokens(token_issuer="shop", token_audience="edge")
    assert ours.visitor(ours.mint("ada")).user_id == "ada"
    for changes in ({}, {"iss": "shop"}, {"iss": "shop", "aud": "mail"}, {"iss": "other", "aud": "edge"}):
        with pytest.raises(InvalidToken):
            ours.visitor(signed(claims(**changes)))


@pytest.mark.parametrize("user", ["", "a b", "a\x00", "x" * 257])
def test_no_token_is_minted_for_what_cannot_be_an_id(user: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a user id"):
        tokens().mint(user)


def test_a_key_that_cannot_be_used_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"edge\.token_keys\.k"):
        tokens(token_keys={"k": "-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----"}, token_kid="k")


def test_trial_secrets_are_refused_in_production() -> None:
    own = accepted()
    own.pop("edge")
    with pytest.raises(ConfigurationError, match=r"edge\.feedback_secret, edge\.token_keys\.trial"):
        VisitorTokens(Settings(**own))
    edge = {"token_keys": {"new": NEW}, "token_kid": "new", "feedback_secret": OLD}
    assert VisitorTokens(Settings(**own, edge=edge)).mint("ada")
