"""Whatever bytes a stranger sends, parsers of the edge refuse them by an error of their own."""

import json
import time
from contextlib import suppress
from typing import Any

import jwt
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.edge.addresses import address_of
from bannerstream.edge.errors import HttpError, InvalidToken
from bannerstream.edge.feedback_tokens import FeedbackTokens
from bannerstream.edge.pictures import byte_range
from bannerstream.edge.report_records import read_events, read_feedback
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.settings import Settings
from bannerstream.settings.trial_secrets import TRIAL_EDGE_SECRET

TOKENS = VisitorTokens(Settings())
FEEDBACK_TOKENS = FeedbackTokens(TRIAL_EDGE_SECRET.encode(), 60.0)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
fields = st.sampled_from(
    ["type", "product_id", "product_ids", "event_id", "time", "age_ms", "token", "kind", "size", "click_to_visible_ms"]
)
bodies = st.binary() | (st.dictionaries(fields, anything) | st.lists(st.dictionaries(fields, anything)) | anything).map(
    lambda body: json.dumps(body).encode()
)
claims = st.dictionaries(st.sampled_from(["sub", "exp", "nbf", "iat", "iss", "aud", "jti", "cnf"]), anything)
headers = st.dictionaries(st.sampled_from(["kid", "alg", "typ", "crit", "b64", "zip", "jwk", "x5u"]), anything)


@given(bodies)
def test_a_body_is_read_or_refused(body: bytes) -> None:
    for read in (lambda: read_events(body, 100), lambda: read_feedback(body)):
        with suppress(HttpError):
            read()


@given(st.text() | st.text("ab.-_=eyJ0", max_size=40))
def test_a_token_that_nobody_signed_is_refused(token: str) -> None:
    for read in (lambda: TOKENS.visitor(token), lambda: FEEDBACK_TOKENS.read(token)):
        try:
            read()
        except HttpError:
            continue
        raise AssertionError(f"{token!r} was taken")


@given(claims, headers)
def test_a_token_that_a_shop_signed_wrongly_is_refused_or_names_a_visitor(
    claims: dict[str, Any], headers: dict[str, Any]
) -> None:
    """The shop's own key, and whatever its server may put into a token."""
    good = {"sub": "ada", "exp": time.time() + 60}
    for body in (claims, good | claims):
        try:
            token = jwt.encode(body, TRIAL_EDGE_SECRET, "HS256", headers={"kid": "trial", **headers, "alg": "HS256"})
        except (TypeError, ValueError, jwt.PyJWTError, NotImplementedError):
            continue  # PyJWT does not make it
        with suppress(InvalidToken):
            assert len(TOKENS.visitor(token).key) == 32


@given(st.text() | st.from_regex(r"bytes=\d{0,20}-\d{0,20}(,\d*-)?"), st.integers(1, 10**9))
def test_a_range_lies_within_the_picture(header: str, size: int) -> None:
    with suppress(ValueError):
        found = byte_range(header, size)
        assert found is None or 0 <= found[0] <= found[1] < size


@given(st.text() | st.ip_addresses().map(str))
def test_every_address_has_a_key(host: str) -> None:
    assert isinstance(address_of(host), str)
